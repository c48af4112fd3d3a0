"""A local image-text model: what transformers computes of it, token ids of pictures, sampling, learning, folders."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlavaForConditionalGeneration

from ponder.api.policies import Policy, load_policy
from ponder.api.training.stage import prepared
from ponder.config import load as configured
from ponder.learning.policy import PolicyTrainer
from ponder.learning.samples import demonstration
from ponder.learning.settings import TrainerSettings
from ponder.losses.cloning import Cloning
from ponder.models import lean
from ponder.models.load import save
from ponder.models.pictures import Pictures, pictures_of
from ponder.problems.families.shapes import Shapes
from ponder.problems.images import data_url
from ponder.selfplay.config import Run
from ponder.types import PonderError, Question
from recipes.images.model import save_random

FAMILY = Shapes(1)
QUESTIONS = [FAMILY.problem(i).question for i in range(3)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random(tmp_path_factory.mktemp("seeing") / "model")


@pytest.fixture(scope="module")
def policy(folder: Path) -> Policy:
    return load_policy(str(folder))


def seen(policy: Policy) -> Pictures:
    found = pictures_of(policy.model)
    assert found is not None
    return found


def theirs(folder: Path, policy: Policy, question: Question, response: Sequence[int] = ()) -> torch.Tensor:
    """Logits of transformers' own image-text model for the prompt, one picture token a place."""
    whole = LlavaForConditionalGeneration.from_pretrained(folder).eval()
    pictures, ids = seen(policy), (*policy.propose.prompts.tokens(question), *response)
    plain = [pictures.mark if token >= pictures.rows else token for token in ids]
    numbers = list(dict.fromkeys((token - pictures.rows) // pictures.length for token in ids if token >= pictures.rows))
    with torch.no_grad():
        logits: torch.Tensor = whole(input_ids=torch.tensor([plain]), pixel_values=pictures.pixels(numbers)).logits
    return logits


def test_it_computes_what_transformers_computes(folder: Path, policy: Policy) -> None:
    for question in QUESTIONS:
        ours = policy.model(input_ids=torch.tensor([policy.propose.prompts.tokens(question)])).logits
        assert torch.equal(ours, theirs(folder, policy, question))


def test_two_pictures_in_one_question_keep_their_order(folder: Path, policy: Policy) -> None:
    pair = tuple(question.images[0] for question in QUESTIONS[:2])
    both, turned = (Question("q", "", "Which?", images=images) for images in (pair, pair[::-1]))
    ours = policy.model(input_ids=torch.tensor([policy.propose.prompts.tokens(both)])).logits
    torch.testing.assert_close(ours, theirs(folder, policy, both))
    assert policy.propose.prompts.tokens(both) != policy.propose.prompts.tokens(turned)


def test_what_is_sampled_has_the_log_probabilities_of_the_whole_model(folder: Path, policy: Policy) -> None:
    """The engine's batch of pictures, answer by answer; and an answer depends on the picture."""
    words = QUESTIONS[0].text
    questions = [Question(f"q{i}", "", words, images=q.images) for i, q in enumerate(QUESTIONS)]

    async def draw() -> list[Any]:
        calls = [policy.propose(q, None, 1, until="end", max_tokens=6, seed=0) for q in questions]
        return [leaves[0] for leaves in await asyncio.gather(*calls)]

    for question, leaf in zip(questions, asyncio.run(draw()), strict=True):
        tokens = [token for step in leaf.path for token in step.tokens]
        logits = theirs(folder, policy, question, tokens)[0, -len(tokens) - 1 : -1].log_softmax(-1)
        expected = logits[range(len(tokens)), tokens]
        drawn = torch.tensor([p for step in leaf.path for p in step.logprobs])
        torch.testing.assert_close(drawn, expected, atol=1e-4, rtol=0)
    first, second = (theirs(folder, policy, question)[0, -1] for question in questions[:2])
    assert not torch.allclose(first, second, atol=1e-6)


def test_the_ids_of_a_picture_are_its_own_and_the_same_everywhere(folder: Path, policy: Policy) -> None:
    pictures, urls = seen(policy), [question.images[0] for question in QUESTIONS]
    found = [pictures.tokens(url) for url in urls]
    assert len({token for ids in found for token in ids}) == 3 * pictures.length == 75
    other = seen(load_policy(str(folder)))
    assert [other.tokens(url) for url in urls] == found
    assert min(found[0]) >= pictures.rows and pictures.words([1, *found[0], 5]) == [1, 5]


def test_words_of_the_question_are_no_picture(policy: Policy) -> None:
    question = Question("q", "", "Is <image> a picture?", images=QUESTIONS[0].images)
    tokens, pictures = policy.propose.prompts.tokens(question), seen(policy)
    assert sum(token >= pictures.rows for token in tokens) == pictures.length and pictures.mark not in tokens


def test_tower_and_projector_learn_and_the_picture_is_not_learned_from(folder: Path) -> None:
    policy = load_policy(str(folder))
    names = [name for name, _ in policy.model.named_parameters()]
    assert any("vision_tower" in name for name in names) and any("projector" in name for name in names)
    before = {name: value.detach().clone() for name, value in policy.model.named_parameters()}
    trainer = PolicyTrainer(policy.model, TrainerSettings(learning_rate=1e-3), Cloning(), seed=0)
    response = (*policy.codec.encode("</think>1"), policy.codec.eos_id)
    prompts = [policy.propose.prompts.tokens(question) for question in QUESTIONS]
    rows = [demonstration(f"{i}", prompt, response) for i, prompt in enumerate(prompts)]
    assert all(len(row.mask_T) == len(response) for row in rows)
    losses = [trainer.update(rows).loss or 0.0 for _ in range(3)]
    assert 0.0 < losses[-1] < losses[0]
    moved = {name for name, value in policy.model.named_parameters() if not torch.equal(value, before[name])}
    assert any("patch_embedding" in name for name in moved) and any("projector" in name for name in moved)


def test_the_folder_comes_back_as_transformers_knows_it(folder: Path, policy: Policy, tmp_path: Path) -> None:
    weights = {name: value + 0.25 for name, value in policy.model.state_dict().items()}
    save(policy.model, policy.tokenizer, tmp_path / "saved", weights=weights)
    first = LlavaForConditionalGeneration.from_pretrained(folder).state_dict()
    second = LlavaForConditionalGeneration.from_pretrained(tmp_path / "saved").state_dict()
    assert first.keys() == second.keys()
    for name, value in first.items():
        if name.endswith("position_ids"):
            continue
        assert torch.equal(value + 0.25, second[name]), name
    again = load_policy(str(tmp_path / "saved"))
    assert again.propose.prompts.tokens(QUESTIONS[0]) == policy.propose.prompts.tokens(QUESTIONS[0])


def test_it_is_not_taken_for_a_plain_llama(policy: Policy) -> None:
    """The fast forward reads words alone."""
    assert not lean.supports(policy.model)
    assert lean.supports(load_policy("tiny").model)


def test_what_it_cannot_read_is_refused_in_a_sentence(policy: Policy) -> None:
    broken = Question("q", "", "What?", images=(data_url(b"\x89PNG\r\n\x1a\n" + bytes(20)),))
    with pytest.raises(PonderError, match="the picture cannot be read"):
        policy.propose.prompts.tokens(broken)
    asked = Question("q", "", "What?", images=QUESTIONS[0].images, history=(("user", "Hello"),))
    with pytest.raises(PonderError, match="no picture together with turns before it or tools"):
        policy.propose.prompts.tokens(asked)
    unknown = seen(policy).rows + 12345 * seen(policy).length
    with pytest.raises(PonderError, match="the model knows 0 to"):
        asyncio.run(policy.engine.score((3, unknown), (1,)))


def test_a_run_that_would_train_a_verifier_on_pictures_is_refused_before_it_begins(folder: Path) -> None:
    with pytest.raises(PonderError, match=r"reads pictures.*set verifier.enabled=false"):
        prepared(configured(Run, None, [f"model={folder}", "problems=['shapes']"]), [FAMILY])
