"""Languages are told apart by script and by common words, the same way every time."""

from __future__ import annotations

import pytest

from ponder.verifiers.rules.constraints.language import LANGUAGES, detect

SAMPLES = {
    "en": "The river runs slowly through the old town and nobody looks at it.",
    "de": "Der Fluss fließt langsam durch die alte Stadt und niemand sieht ihn an.",
    "fr": "La rivière coule lentement dans la vieille ville et personne ne la regarde.",
    "es": "El río corre despacio por la vieja ciudad y nadie lo mira.",
    "it": "Il fiume scorre lento nella vecchia città e nessuno lo guarda con attenzione.",
    "pt": "O rio corre devagar pela velha cidade e ninguém olha para ele.",
    "fi": "Joki virtaa hitaasti vanhan kaupungin läpi, mutta kukaan ei katso sitä.",
    "sw": "Mto unapita polepole katika mji wa zamani na watu hawauangalii kabisa.",
    "vi": "Dòng sông chảy chậm qua thành phố cũ và không ai nhìn nó.",
    "nl": "De rivier stroomt langzaam door de oude stad en niemand kijkt er naar.",
    "ru": "Река медленно течёт через старый город, и никто на неё не смотрит.",
    "bg": "Реката тече бавно през стария град и никой не я гледа, защото всички са на работа.",
    "hi": "नदी पुराने शहर के बीच से धीरे बहती है और कोई उसे नहीं देखता।",
    "mr": "नदी जुन्या शहरातून हळू वाहते आणि कोणीही तिच्याकडे पाहत नाही. ही गोष्ट खरी आहे.",
    "ne": "नदी पुरानो सहरको बीचबाट बिस्तारै बग्छ र कसैले त्यो हेर्दैन। यो राम्रो छ।",
    "ar": "يجري النهر ببطء في المدينة القديمة ولا أحد ينظر إلى الماء الذي يمر من هنا.",
    "fa": "رودخانه آرام از شهر قدیمی می‌گذرد و هیچ کس به آن نگاه نمی‌کند.",
    "ur": "دریا پرانے شہر سے آہستہ بہتا ہے اور کوئی اسے نہیں دیکھتا۔",
    "kn": "ನದಿ ಹಳೆಯ ನಗರದ ಮೂಲಕ ನಿಧಾನವಾಗಿ ಹರಿಯುತ್ತದೆ.",
    "pa": "ਨਦੀ ਪੁਰਾਣੇ ਸ਼ਹਿਰ ਵਿੱਚੋਂ ਹੌਲੀ ਵਗਦੀ ਹੈ।",
    "gu": "નદી જૂના શહેરમાંથી ધીમે વહે છે.",
    "te": "నది పాత నగరం గుండా నెమ్మదిగా ప్రవహిస్తుంది.",
    "ta": "நதி பழைய நகரத்தின் வழியாக மெதுவாக ஓடுகிறது.",
    "bn": "নদীটি পুরানো শহরের মধ্য দিয়ে ধীরে বয়ে যায়।",
    "th": "แม่น้ำไหลช้าๆ ผ่านเมืองเก่า",
    "ko": "강은 오래된 도시를 천천히 흐른다.",
    "ja": "川は古い町をゆっくり流れる。",
    "zh": "河水慢慢流过老城。",
}


@pytest.mark.parametrize(("language", "text"), SAMPLES.items())
def test_a_sentence_is_in_its_own_language(language, text):
    assert detect(text) == language
    assert detect(text) == detect(text.upper())


def test_every_language_of_the_published_prompts_is_known():
    published = "hi kn mr vi ko sw de pa fa ru bg pt gu te it ar ta fi ur th ne bn"
    assert set(published.split()) | {"en"} <= LANGUAGES


@pytest.mark.parametrize("text", ["", "42", "!?", "*** []"])
def test_a_text_without_letters_is_in_no_language(text):
    assert detect(text) is None


def test_a_few_foreign_names_do_not_change_the_language_and_half_of_the_text_does():
    assert detect(SAMPLES["hi"] + " (GNSS, Android)") == "hi"
    assert detect(2 * SAMPLES["hi"] + SAMPLES["en"]) is None


def test_short_latin_texts_count_as_english_only_if_nothing_speaks_for_another_language():
    assert detect("green tea") == "en"
    assert detect("grüner Tee") is None
