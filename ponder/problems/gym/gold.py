"""Gold answers of reasoning-gym tasks, also of those that store none: taken from the metadata or worked out here."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

# Row of the car that must leave, counted from the top, and the cells of a side of the board.
_EXIT_ROW, _SIDE = 2, 6


def gold(task: str, entry: Mapping[str, Any]) -> str:
    """An answer that should get the full mark, stripped; empty if there is none."""
    if entry["answer"] is not None:
        return str(entry["answer"]).strip()
    about = entry["metadata"]
    if task == "graph_color":
        return json.dumps(about["possible_answer"])
    if task == "propositional_logic":
        return str(about["example_answer"])
    if task == "rubiks_cube":
        return str(about["example_correct_answer"]) or _undo(about["scramble_moves"])
    if task == "boxnet":
        return json.dumps(list(_carry(about["initial_state"])))
    if task == "rush_hour":
        return _drive_out(about["board_config"])
    return ""


def _undo(moves: str) -> str:
    """The moves of a cube backwards, each turned round."""
    return " ".join(move[:-1] if move.endswith("'") else f"{move}'" for move in reversed(moves.split()))


def _carry(state: Mapping[str, list[str]]) -> Iterator[dict[str, str]]:
    """One action a step: each box goes along its row, then its column, to a target of its colour, and onto it."""
    free = [(place, item) for place, items in state.items() for item in items if item.startswith("target_")]
    for place, items in state.items():
        for box in (item for item in items if item.startswith("box_")):
            target = f"target_{box.removeprefix('box_')}"
            goal = next(where for where, item in free if item == target)
            free.remove((goal, target))
            here, there = [float(x) for x in place.split("_")], [float(x) for x in goal.split("_")]
            for axis in (0, 1):
                while here[axis] != there[axis]:
                    agent = f"Agent[{here[0]}, {here[1]}]"
                    here[axis] += 1.0 if here[axis] < there[axis] else -1.0
                    yield {agent: f"move({box}, square[{here[0]}, {here[1]}])"}
            yield {f"Agent[{here[0]}, {here[1]}]": f"move({box}, {target})"}


def _drive_out(board: str) -> str:
    """Fewest slides that bring car A to the right edge, by breadth-first search over the cars' places."""
    labels = sorted(set(board) - set("ox"))
    cells = {label: [i for i, c in enumerate(board) if c == label] for label in labels}
    strides = [cells[label][1] - cells[label][0] for label in labels]
    sizes = [len(cells[label]) for label in labels]
    walls = sum(1 << i for i, c in enumerate(board) if c == "x")
    start = tuple(cells[label][0] for label in labels)
    came: dict[tuple[int, ...], tuple[tuple[int, ...], str] | None] = {start: None}
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        if state[0] == _EXIT_ROW * _SIDE + _SIDE - sizes[0]:
            return _told(came, state)
        for following, move in _slides(state, strides, sizes, walls):
            if following not in came:
                came[following] = state, move
                waiting.append(following)
    return ""


def _slides(
    state: tuple[int, ...], strides: list[int], sizes: list[int], walls: int
) -> Iterator[tuple[tuple[int, ...], str]]:
    """Every slide of one car by any free distance, as (next state, move)."""
    taken = walls
    for place, stride, size in zip(state, strides, sizes, strict=True):
        taken |= sum(1 << (place + k * stride) for k in range(size))
    for car, (place, stride, size) in enumerate(zip(state, strides, sizes, strict=True)):
        column, row = place % _SIDE, place // _SIDE
        before = column if stride == 1 else row
        for way, room in ((-1, before), (1, _SIDE - before - size)):
            front = place if way < 0 else place + (size - 1) * stride
            for distance in range(1, room + 1):
                if taken >> (front + way * distance * stride) & 1:
                    break
                moved = (*state[:car], place + way * distance * stride, *state[car + 1 :])
                yield moved, f"{chr(ord('A') + car)}{'+' if way > 0 else '-'}{distance}"


def _told(came: Mapping[tuple[int, ...], tuple[tuple[int, ...], str] | None], state: tuple[int, ...]) -> str:
    moves: list[str] = []
    while (step := came[state]) is not None:
        state, move = step
        moves.append(move)
    return " ".join(reversed(moves))
