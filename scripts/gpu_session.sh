#!/usr/bin/env bash
# One prepared session on a machine with a GPU, ten minutes in all: parity, benchmark, a short training.
#
#   scripts/gpu_session.sh MODEL_FOLDER [OUT]            for example models/smollm2 (ponder models get smollm2)
#   DEVICE=cpu TOY=1 scripts/gpu_session.sh MODEL_FOLDER   the same steps in small, to see that they work; figures mean nothing
#
# Each part has a time limit and a log of its own in OUT; a part that fails does not keep the next one from running, and
# the last line says what failed. PYTHON chooses the interpreter, which must have Ponder and a torch that knows the card.
set -uo pipefail
folder=${1:?give the folder of a model}
out=${2:-runs/gpu_session}
device=${DEVICE:-cuda}
python=${PYTHON:-python}
mkdir -p "$out"
failed=()

part() { # name, seconds, command
    local name=$1 limit=$2 started=$SECONDS
    shift 2
    echo "== $name (at most $limit s): $*"
    if timeout "$limit" "$@" >"$out/$name.log" 2>&1; then
        echo "   done in $((SECONDS - started)) s"
    else
        echo "   FAILED with status $? after $((SECONDS - started)) s; the end of $out/$name.log:"
        tail -n 5 "$out/$name.log" | sed 's/^/   /'
        failed+=("$name")
    fi
}

if [ "$device" != cpu ] && ! "$python" -c 'import sys, torch; sys.exit(not torch.cuda.is_available())'; then
    echo "no GPU here: nothing was measured"
    exit 0
fi
if [ "${TOY:-}" = 1 ]; then
    bench=(--shapes toy --prompts 2 --rounds 1 --most 2 --response 64 --group-tokens 8 --device "$device")
    train=(--set rounds=1 --set updates=1 --set sampling.problems=2 --set sampling.group_size=2 --set sampling.max_tokens=48
        --set evaluation.problems=4 --set evaluation.ladder=4)
else
    bench=(--folder "$folder" --device "$device")
    train=(--set rounds=4 --set updates=5)
fi
part parity 120 "$python" -m ponder models check "$folder" --device "$device"
part benchmark 240 "$python" -m benchmarks.gpu "${bench[@]}" --out "$out/gpu.json"
part training 240 "$python" -m ponder run --model "$folder" --problems 'arithmetic?terms=2' --set "device=$device" \
    "${train[@]}" --out "$out/run"
[ ${#failed[@]} = 0 ] && echo "all parts done; figures in $out" || echo "failed: ${failed[*]}"
[ ${#failed[@]} = 0 ]
