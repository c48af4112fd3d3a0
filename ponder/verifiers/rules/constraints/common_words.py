"""The commonest words of languages that share a script with others, and letters that only one of them uses."""

_TEXT = """
en: the of and to in is that it for was on are with as his they at be this have from or had by but not what
    all were we when your can said there an each which she do how their if will up other about out many then
    them these so some her would make him has look more who its my you i he no our me been than now could into
    only may also any should did very just where after before because through between while don't it's i'm
de: der die das und ist nicht ein eine einen einem einer zu den dem des mit auf für von im sich auch es an als
    wie wir sie ich ihr er aus bei nach um über oder aber wenn nur noch so war hat haben sind wird werden kann
    mein dein sein ihre unser durch vor bis zum zur man mehr sehr
fr: le la les de des du et est un une que qui dans pour pas sur au aux avec ce cette ces il elle nous vous ils
    je tu son sa ses mon ma mes par plus ou mais comme être avoir sont était fait tout on leur se ne en d'un
    c'est qu'il
es: el la los las de del y es un una que en para no por con su sus se lo al como más pero este esta son fue
    ser muy sin sobre también me mi tu te nos ya hay cuando todo está donde quien desde nuestro si
it: il lo la i gli le di del della dei delle e è un una che in per non con su si al alla da dal come più ma
    questo questa sono era essere anche mi mio ti tu ci noi voi nel nella ha ho quando tutto dove molto se sul
    sulla
pt: o a os as de do da dos das e é um uma que em para não por com seu sua se no na nos nas ao à como mais mas
    este esta são foi ser muito também me meu minha você nós já há quando tudo está onde pelo pela isso
nl: de het een en van is dat in op te niet met voor zijn aan er maar om ook als bij nog naar dan wat door over
    ze hij zij wij ik je uit kan deze dit was heeft hebben worden wordt geen meer veel zo mijn jouw onze
fi: ja on ei että se hän oli ovat mutta kun niin kuin myös tai jos minä sinä me te he olen joka jotka mikä
    tämä nämä sen siitä vain nyt jo vielä kaikki ole hyvin mukaan sitten koska minun sinun voi kanssa ennen
sw: na ya wa ni kwa za la katika kuwa hii ili hiyo huo wake yake wao sana pia lakini kama au si cha vya hapa
    yangu wangu yetu wetu watu mtu kila moja ambayo ambao baada kabla bila hata tu siku ndani nchi juu ana
    wana tuna nina
vi: và là của có không một những các được cho với trong này đó khi người tôi bạn chúng ta đã sẽ rất để từ như
    nhưng vì nếu thì ra vào lên cũng đang hay hoặc nhiều mình ông bà anh chị em con mẹ
sv: och att det som en är på för av med den till inte om ett har de jag du han hon vi var men så kan från
    eller när ska min din sin vår också efter mycket alla detta
da: og at det som en er på for af med den til ikke om et har de jeg du han hun vi var men så kan fra eller når
    skal min din sin vores også efter meget alle dette blev hvad hvor
no: og at det som en er på for av med den til ikke om et har de jeg du han hun vi var men så kan fra eller når
    skal min din sin vår også etter mye alle dette ble hva hvor
pl: i w na z do nie się jest że to o jak po co ale za od przez czy dla są był było być jego jej ich my wy ja
    ty ten ta te tym tego też tylko bardzo może już przy oraz lub który która które
cs: a v na je se že to s z do o i jak ale za po si jsou by jsem bylo být tak jako pro který která které jeho
    její jen už také nebo když podle více velmi můj tvůj náš
ro: și în de la a cu nu pe este că o un pentru din care mai se sunt fi au dar ca al ale lui ei noi voi eu tu
    acest această foarte sau când unde prin după fost către toate
hu: a az és hogy nem is egy ez van volt de meg csak már mint el ha ki még vagy én te ő mi ti ők lesz minden
    nagyon azt ezt amely aki kell lehet után szerint
tr: ve bir bu da de için ile çok ne o var mı mi gibi daha ama ben sen biz siz onlar olan olarak kadar sonra
    her şey değil ya ki en veya ise benim senin olduğu tüm
id: yang dan di ini itu dengan untuk tidak dari dalam pada adalah akan ke juga saya kamu kami kita mereka dia
    ada bisa atau oleh karena sudah lebih sangat seperti orang satu hari telah bahwa tetapi
hi: है हैं और का के की में से को यह पर नहीं ने एक हो भी कि तो था थी थे लिए अपने आप हम मैं वह इस उस जो करने कर
    कुछ साथ गया होता होती करें मेरे आपके बहुत तक
mr: आहे आहेत आणि ही हा हे या च्या चा ची मध्ये नाही एक व तो ती ते मी आम्ही तुम्ही त्या त्यांच्या पण होते होता
    होती असे केले करा आपल्या आपण मला काही खूप साठी म्हणून जे जर तर की असते असतो झाले माझ्या
ne: छ छन् र हो को मा यो छैन एक पनि गर्न गर्ने भएको हुन् हुन्छ तपाईं हामी म उनी त्यो लागि साथ भने गरेको थियो
    थिए हुने यस तर गर्नुहोस् मेरो हाम्रो धेरै सक्छ बाट लाई आफ्नो नेपाली
ar: في من على إلى أن هذا هذه التي الذي ما لا كان كانت هو هي مع عن كل أو لم قد بعد قبل ثم إن يكون لكن نحن أنا
    أنت هناك بين عند حتى غير ذلك تلك يا لقد و
fa: و در به از که این را با است برای آن یک خود تا کرد بر هم نیز شد بود می شود ما من شما او آنها هر اما اگر
    باید یا بسیار های کند کنید دارد ای هستند نیست چه
ur: ہے ہیں اور کا کے کی میں سے کو یہ پر نہیں نے ایک ہو بھی کہ تو تھا تھی تھے لیے اپنے آپ ہم وہ اس جو کر کچھ
    ساتھ گیا ہوتا بہت تک کرنے ہوں ہوئے
ru: и в не на что я с он как это по но они мы вы за из у так же от для о его ее её был была были быть только
    еще ещё бы когда уже или если который которые мне меня нас вас все всё этот очень есть чтобы до
bg: и защото всички я през също го им бе никой
    в на не че да се са от за с е като по но ще то тя той ние вие аз до при или ако може което който която
    които след беше много му си ни ви този тази това как към има още със във
uk: і в не на що я з він як це по але вони ми ви за із у так же від для про його її був була були бути тільки
    ще б коли вже або якщо який які мені мене нас вас все цей дуже є щоб до та й
"""
# One language a paragraph: its code, a colon, its words.
COMMON: dict[str, frozenset[str]] = {
    code: frozenset(words.split())
    for part in _TEXT.replace("\n    ", " ").strip().split("\n")
    for code, _, words in [part.partition(":")]
}
LETTERS = {
    "de": "ß", "es": "ñ¿¡", "pt": "ãõ", "vi": "ăơưđạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ", "pl": "ąęłńśźż",
    "cs": "ěřů", "ro": "țș", "hu": "őű", "tr": "ğışİ", "mr": "ळ", "fa": "پچژگ", "ur": "ٹڈڑںےہھ", "ru": "ыэё", "bg": "ъ",
    "uk": "їєґі", "ar": "ةىإأؤ",
}  # fmt: skip
