#!/usr/bin/env bash
# A run on Slurm: Ray's head and the driver on the first node, engines and graders on all. sbatch deploy/slurm.sh
# A job that is requeued (time limit, lost node) goes on where it was.
#SBATCH --job-name=ponder
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=32
#SBATCH --gpus-per-node=4
#SBATCH --time=24:00:00
#SBATCH --requeue
set -euo pipefail

out=${OUT:-runs/mine}
model=${MODEL:?set MODEL to a model folder that the first node can read}
problems=${PROBLEMS:?set PROBLEMS, for example jsonl:problems.jsonl}
port=6379
mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=$(srun --nodes=1 --ntasks=1 -w "${nodes[0]}" hostname --ip-address | awk '{print $1}')

export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 RAY_worker_niceness=0
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | base64 | tr -d '\n')
export RAY_AUTH_TOKEN

# One GPU of the first node is the learner's, so Ray has three there.
srun --nodes=1 --ntasks=1 -w "${nodes[0]}" ray start --head --node-ip-address="$head" --port=$port \
    --num-cpus=30 --num-gpus=3 --include-dashboard=false --block &
sleep 20
if [ "${#nodes[@]}" -gt 1 ]; then
    srun --nodes=$((${#nodes[@]} - 1)) --ntasks=$((${#nodes[@]} - 1)) --exclude="${nodes[0]}" \
        ray start --address="$head:$port" --num-cpus=32 --num-gpus=4 --block &
fi

settings=(
    --set device=cuda
    --set "cluster.engines=$((4 * ${#nodes[@]} - 1))"
    --set cluster.engine_cpus=4
    --set cluster.engine_gpus=1
    --set cluster.graders=32
    --set staleness.updates=1
)
if [ -e "$out/config.toml" ]; then
    ponder run --resume --out "$out" --cluster "$head:$port"
else
    ponder run --model "$model" --problems "$problems" --out "$out" --cluster "$head:$port" "${settings[@]}"
fi
