"""What the files of a model say without a forward pass: frame, prompt, thinking, end tokens, begin token, context."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from ponder.api.policies import as_frame, saved_frame
from ponder.models.ends import end_tokens
from ponder.policy.codec import Codec
from ponder.policy.frames import Frame
from ponder.policy.frames.auto import template_of
from ponder.policy.prompts import Prompts
from ponder.policy.rewriting import rewriting
from ponder.thinking import THINK_CLOSE, THINK_OPEN
from ponder.types import Question

_UNLIMITED = 10**9  # tokenizers write a number beyond this for "no limit"
_HALF = 0.5


def frame_and_prompt(name: str, codec: Codec, asked: str | Frame, question: Question) -> tuple[Prompts, dict[str, Any]]:
    """The prompts of the model in its frame, and what there is to say of them."""
    setting, saved = as_frame(asked), saved_frame(name)
    frame = setting.chosen(codec.tokenizer, saved)
    prompts = Prompts(codec, frame=frame)
    tokens = prompts.tokens(question)
    return prompts, {
        "frame": {"kind": frame.kind, "why": setting.why(codec.tokenizer, saved)},
        "prompt": {
            "question": question.text,
            "text": str(codec.tokenizer.decode(list(tokens), clean_up_tokenization_spaces=False)),
            "tokens": len(tokens),
            "system": _system(prompts, question),
        },
        "thinking": _thinking(prompts),
        "begin": _begin(codec, tokens),
        "turns": turns(prompts),
    }


def turns(prompts: Prompts) -> dict[str, Any]:
    """What the template makes of earlier turns, and how tools are called."""
    found = rewriting(prompts)
    native = prompts.codec.tool_format if prompts.chat else None
    return {
        "history": found.history,
        "sentence": found.sentence,
        "tools": native.kind if native is not None else "tagged",
    }


def _system(prompts: Prompts, question: Question) -> str:
    if not prompts.chat:
        return "plain text before the question"
    if not prompts.takes_system():
        return "before the question in the user's turn: the template refuses a system message"
    text = prompts.frame.system(question)
    return "a system message" if text and text in prompts.text(question) else "left out by the template"


def _thinking(prompts: Prompts) -> dict[str, Any]:
    frame, codec = prompts.frame, prompts.codec
    if not frame.close:
        return {"opens": None, "closes": None, "tokens": None, "by": "nobody: it reasons in plain words"}
    by = "the chat template" if prompts.chat and prompts.opens_itself() else "Ponder, behind the prompt"
    return {"opens": THINK_OPEN, "closes": THINK_CLOSE, "tokens": len(codec.encode(THINK_CLOSE)), "by": by}


def _begin(codec: Codec, tokens: tuple[int, ...]) -> dict[str, Any]:
    bos = codec.tokenizer.bos_token_id
    count = 0 if bos is None else tokens.count(bos)
    return {
        "token": codec.tokenizer.bos_token if bos is not None else None,
        "tokenizer_adds": bool(codec.begin),
        "in_prompt": count,
        "double": bos is not None and tokens[:2] == (bos, bos),
    }


def ends_of(codec: Codec, model: PreTrainedModel) -> dict[str, Any]:
    """The end tokens by who names them, and those that are used."""

    def names(ids: tuple[int, ...]) -> list[str]:
        return [str(word) for word in codec.tokenizer.convert_ids_to_tokens(list(ids))]

    own = codec.tokenizer.eos_token_id
    return {
        "generation_config": names(end_tokens(model)),
        "tokenizer": names(() if own is None else (int(own),)),
        "template": names((codec.eos_id,)) if template_of(codec.tokenizer) else [],
        "used": names(codec.end_ids),
        "written": names((codec.eos_id,))[0],
    }


def context_of(codec: Codec, model: PreTrainedModel) -> dict[str, Any]:
    """How long a text may be, by the model's positions and by the tokenizer."""
    positions = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    told = int(codec.tokenizer.model_max_length)
    return {"positions": positions, "tokenizer": None if told > _UNLIMITED else told}


def oddities(codec: Codec, model: PreTrainedModel, found: dict[str, Any]) -> list[str]:
    """What a user should know because it is not as usual, a sentence each."""
    ends, begin, context = found["ends"], found["begin"], found["context"]
    embedding: Any = model.get_input_embeddings()
    rows = int(embedding.weight.shape[0])
    outside = [word for word, i in codec.tokenizer.get_added_vocab().items() if i >= rows]
    odd = []
    if found["turns"]["history"] in ("thinking", "other"):
        odd.append(f"{found['turns']['sentence']}, so over several turns the model reads more than in a plain chat")
    if begin["double"]:
        odd.append("the prompt begins with two begin tokens")
    if begin["tokenizer_adds"] and not begin["in_prompt"]:
        odd.append(f"the tokenizer puts {begin['token']} before a text and the chat template does not")
    if begin["tokenizer_adds"] and begin["in_prompt"] and found["prompt"]["system"] != "plain text before the question":
        odd.append(
            f"template and tokenizer both write {begin['token']}: encode its prompts with add_special_tokens=False"
        )
    if ends["template"] and ends["template"][0] not in (*ends["tokenizer"], *ends["generation_config"]):
        odd.append(
            f"only the chat template names {ends['template'][0]} as the end of a turn; add it to generation_config.json"
        )
    elif ends["template"] and ends["template"] != ends["tokenizer"]:
        odd.append(f"turns end with {ends['template'][0]}, and the tokenizer's eos_token is {ends['tokenizer'][0]}")
    if outside:
        odd.append(f"{len(outside)} added tokens have no row in the embedding ({', '.join(outside[:3])})")
    if rows and len(codec.tokenizer.get_vocab()) < _HALF * rows:
        odd.append(f"the tokenizer has {len(codec.tokenizer.get_vocab())} tokens and the embedding {rows} rows")
    known = [n for n in (context["positions"], context["tokenizer"]) if n]
    if len(set(known)) > 1:
        odd.append(f"the model has {known[0]} positions and the tokenizer allows {known[1]} tokens")
    return odd


def assumptions(prompts: Prompts, found: dict[str, Any]) -> list[str]:
    """What was taken for granted because nothing in the folder says it."""
    assumed = []
    kind, why = found["frame"]["kind"], found["frame"]["why"]
    if "saved" not in why and "was set" not in why:
        assumed.append(f"frame {kind}, for {why}; --frame chooses another one")
    if prompts.chat and not prompts.takes_system():
        assumed.append("instructions go into the user's turn, since the template refuses a system message")
    if not found["ends"]["generation_config"]:
        assumed.append("the end tokens of tokenizer and template, since no generation_config.json names any")
    if found["context"]["positions"] is None:
        assumed.append("4,096 positions, since the model's config names no number")
    return assumed
