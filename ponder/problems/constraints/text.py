"""What the constraints family writes with: topics, plain sentences, keywords, and a few sentences of other languages.

The English stock has no comma, no word in capitals and none of the letters j, q, x, z, and it shares no word with the
keywords, so that a gold answer never follows or breaks an instruction by accident.
"""

from __future__ import annotations

TOPICS = (
    "baking bread at home", "long walks by the river", "keeping bees on the roof", "learning to swim late in life",
    "the first day at school", "mending old clothes", "moving to the coast", "the smell of rain", "night trains",
    "birds in the city", "growing tomatoes", "writing letters by hand", "cold water in the morning", "borrowed books",
    "street markets", "the sound of bells", "walking in the snow", "cooking for friends", "old maps", "slow travel",
    "the life of a potter", "riding to work", "flowers in winter", "singing in a choir", "a visit to the farm",
    "losing an umbrella", "the night sky", "waiting for the bus", "a day without a phone", "small boats",
    "dancing in the rain", "cleaning the attic", "the art of listening", "making cheese", "the last apple on the tree",
    "sharing a desk", "the history of salt", "early mornings", "working from home", "the wind in the hills",
)  # fmt: skip
SENTENCES = (
    "The day was calm and the light was soft.", "People came early and stayed until the evening.",
    "There was tea for all who wanted it.", "Nothing was hurried and nobody was late.",
    "The old path led past the mill.", "Children ran ahead and laughed.", "In the end the work was done.",
)  # fmt: skip
ITEMS = ("fresh start", "warm hands", "good shoes", "clear plan", "open door", "kind word", "short rest", "dry wood")
KEYWORDS = (
    "harbor", "lantern", "copper", "meadow", "ribbon", "thunder", "velvet", "walnut", "garden", "silver", "candle",
    "marble", "pepper", "saddle", "violin", "basket",
)  # fmt: skip
AVOIDED = ("window", "famous", "yellow", "hammer", "monkey", "planet", "kitchen", "castle", "doctor", "summer")
FIRST_WORDS = ("today", "clearly", "often", "finally", "however", "nature")
ENDINGS = (
    "Is there anything else to tell?", "That is all for now.", "May the road be kind to you.",
    "Let me know how it goes.", "Here the story ends.",
)  # fmt: skip
# Languages by their codes: name, and sentences without commas.
LANGUAGES = {
    "de": ("German", "Der Tag war ruhig und das Licht war weich.", "Die Leute kamen früh und blieben bis zum Abend.",
           "Es gab Tee für alle und niemand war zu spät."),
    "fr": ("French", "La journée était calme et la lumière était douce.",
           "Les gens sont venus tôt et ils sont restés avec nous.", "Le travail est fini et tout est dans la maison."),
    "es": ("Spanish", "El día era tranquilo y la luz era suave.", "La gente llegó temprano y se quedó con nosotros.",
           "No hay nada más que hacer en la casa."),
    "it": ("Italian", "Il giorno era calmo e la luce era dolce.", "Questa è una casa molto bella e non è lontana.",
           "Il lavoro è finito e tutto è nella casa."),
    "pt": ("Portuguese", "O dia estava calmo e a luz não era forte.", "As pessoas vieram cedo e ficaram com você.",
           "O trabalho já foi feito e tudo está em casa."),
    "fi": ("Finnish", "Päivä oli rauhallinen ja valo oli pehmeä.", "Hän tuli aikaisin mutta minä olen vielä täällä.",
           "Työ on nyt tehty ja kaikki on hyvin."),
    "sw": ("Swahili", "Siku ilikuwa ya utulivu na watu wa kijiji walifurahi sana.",
           "Hii ni chai ya watu wote katika nyumba yetu.", "Kazi ya leo ni ndogo lakini ni nzuri sana."),
    "vi": ("Vietnamese", "Hôm nay là một ngày rất đẹp và trời không mưa.", "Mọi người đã đến và chúng ta uống trà.",
           "Công việc đã xong và không còn gì để làm."),
    "ru": ("Russian", "День был тихий и свет был мягкий.", "Люди пришли рано и мы все были вместе.",
           "Это был очень хороший день и он уже прошёл."),
    "hi": ("Hindi", "यह दिन बहुत शांत था और हम साथ थे।", "लोग सुबह आए और शाम तक यहाँ थे।", "काम हो गया है और कोई देर नहीं है।"),
    "ko": ("Korean", "오늘은 조용하고 빛이 부드러웠다.", "사람들은 일찍 와서 저녁까지 있었다.", "일은 모두 끝났다."),
    "ar": ("Arabic", "كان هذا اليوم هادئا في المدينة.", "جاء الناس إلى هنا مع الأصدقاء.", "هذا كل ما كان في البيت."),
}  # fmt: skip
