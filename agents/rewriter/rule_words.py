"""Words for the rewriters without a model: English, written for shops and for general questions."""

from __future__ import annotations


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


SYNONYMS: tuple[tuple[str, ...], ...] = (
    ("cheap", "inexpensive", "affordable", "low-cost"),
    ("small", "little", "compact"),
    ("big", "large"),
    ("huge", "enormous", "giant"),
    ("quick", "fast", "speedy"),
    ("strong", "sturdy", "robust"),
    ("pretty", "beautiful", "lovely"),
    ("quiet", "silent", "noiseless"),
    ("waterproof", "watertight"),
    ("durable", "hard-wearing", "long-lasting"),
    ("portable", "transportable"),
    ("adjustable", "changeable"),
    ("comfortable", "comfy"),
    ("new", "brand-new"),
    ("used", "second-hand", "pre-owned"),
    ("kids", "children", "childrens"),
    ("baby", "infant"),
    ("men", "gentlemen"),
    ("mens", "gents"),
    ("women", "ladies"),
    ("womens", "ladies"),
    ("girls", "young girls"),
    ("sofa", "couch", "settee"),
    ("tv", "television"),
    ("phone", "telephone"),
    ("cellphone", "mobile phone", "cell phone"),
    ("smartphone", "mobile phone"),
    ("laptop", "notebook computer"),
    ("computer", "pc"),
    ("fridge", "refrigerator"),
    ("freezer", "deep freezer"),
    ("vacuum", "hoover"),
    ("vacuum cleaner", "hoover"),
    ("dishwasher", "dish washer"),
    ("stove", "cooker"),
    ("frying pan", "skillet"),
    ("pot", "cooking pot"),
    ("kettle", "water boiler"),
    ("cup", "mug"),
    ("rug", "carpet"),
    ("curtains", "drapes"),
    ("lamp", "light"),
    ("flashlight", "torch"),
    ("light bulb", "lightbulb"),
    ("faucet", "tap"),
    ("trash can", "garbage can", "rubbish bin"),
    ("wrench", "spanner"),
    ("lawn mower", "lawnmower", "grass cutter"),
    ("hose", "hosepipe"),
    ("pants", "trousers"),
    ("sweater", "jumper", "pullover"),
    ("sneakers", "trainers"),
    ("running shoes", "runners"),
    ("boots", "ankle boots"),
    ("jacket", "coat"),
    ("raincoat", "rain jacket"),
    ("swimsuit", "bathing suit"),
    ("underwear", "undergarments"),
    ("purse", "handbag"),
    ("backpack", "rucksack"),
    ("suitcase", "luggage case"),
    ("glasses", "spectacles", "eyeglasses"),
    ("sunglasses", "shades"),
    ("watch", "wristwatch"),
    ("ring", "finger ring"),
    ("headphones", "headset"),
    ("earbuds", "earphones", "in-ear headphones"),
    ("charger", "charging adapter"),
    ("battery pack", "power bank"),
    ("speaker", "loudspeaker"),
    ("screen", "display"),
    ("picture", "photo", "image"),
    ("camera", "photo camera"),
    ("movie", "film"),
    ("bike", "bicycle"),
    ("car", "automobile"),
    ("truck", "lorry"),
    ("tire", "tyre"),
    ("gas", "petrol"),
    ("toy", "plaything"),
    ("diaper", "nappy"),
    ("diapers", "nappies"),
    ("stroller", "pushchair", "pram"),
    ("crib", "cot"),
    ("candy", "sweets"),
    ("cookies", "biscuits"),
    ("gift", "present"),
    ("gifts", "presents"),
    ("holiday", "vacation"),
    ("apartment", "flat"),
    ("doctor", "physician"),
    ("illness", "disease"),
    ("medicine", "medication"),
    ("symptoms", "signs"),
    ("treatment", "therapy"),
    ("cost", "price"),
    ("costs", "prices"),
    ("meaning", "definition"),
    ("define", "explain"),
    ("difference", "distinction"),
    ("reason", "cause"),
    ("reasons", "causes"),
    ("buy", "purchase"),
    ("get", "obtain"),
    ("fix", "repair", "mend"),
    ("make", "produce"),
    ("build", "construct"),
    ("begin", "start"),
    ("help", "assist"),
    ("show", "display"),
    ("need", "require"),
    ("find", "locate"),
    ("average", "typical"),
    ("job", "occupation"),
    ("salary", "pay", "wage"),
    ("town", "city"),
    ("kid", "child"),
    ("lawyer", "attorney"),
    ("teacher", "schoolteacher"),
)
"""Words and phrases that stand for one another in most queries; longer phrases are found first."""

FUNCTION = _set(
    "a an the of for to in on at by with from and or as into onto over under about than that this these those is are was"
    " were be been do does did has have had can could will would should may might i me my we our you your it its who whom"
    " what which when where why how please some any"
)
"""Words that carry little of the need, and that stay with the word behind them when an order changes."""

NEGATIONS = _set("no not without never except non minus")
"""Words that turn a need round: never left out, never parted from the word behind them."""

BEHIND = _set("free proof resistant")
"""Words that belong to the one before them (sugar free)."""

QUESTION_WORDS = _set("who whom whose what which when where why how is are was were do does did can could")

VERBOSE = (
    "I am looking for {q} and would be glad of some help.",
    "Hello, I have been searching for {q} for quite a while now.",
    "I would like to see what there is if somebody wants {q}.",
    "For some time I have been meaning to look for {q}, please show me what you have.",
    "My neighbour told me to look here for {q}, thank you very much.",
)
VERBOSE_QUESTION = (
    "I have been wondering about something for a while: {q}?",
    "Hello, could somebody please explain this to me: {q}?",
    "There is one thing that I would like to know, namely {q}.",
    "A friend and I were talking yesterday, and we could not agree: {q}?",
)
FORMAL = (
    "Kindly show me {q}",
    "I should like to enquire about {q}",
    "I request information regarding {q}",
    "Would you be so kind as to find {q}",
)
CASUAL = ("hey got {q}", "need {q} pls", "anyone know about {q} lol", "yo lookin for {q}", "gimme {q}")
FORMAL_QUESTION = ("May I ask {q}", "Kindly advise: {q}", "I should be grateful to learn {q}")
CASUAL_QUESTION = ("hey {q}", "{q} lol", "quick q {q}", "pls tell me {q}")
SHORT = {"with": "w/", "without": "w/o", "and": "&", "you": "u", "are": "r", "please": "pls"}
"""What people write in chats. No digits: they would be read as quantities."""
QUESTIONS = (
    "where can I find {q}?",
    "can you show me {q}?",
    "what is there on {q}?",
    "do you have anything on {q}?",
    "who can help me with {q}?",
)
QUESTIONS_AGAIN = ("can you tell me {q}?", "does anybody know {q}?", "could you explain {q}?", "any idea {q}?")

POLITE = (
    r"^(?:please|kindly|hello|hi|hey)[,!]?\s+",
    r"^(?:can|could|would|will) you (?:please )?(?:show|tell|find|give|help) (?:me )?",
    r"^(?:i am|i'm|im|we are) (?:looking|searching) for ",
    r"^(?:i|we) (?:would like|want|need|wish)(?: to (?:buy|find|get|have|see|know))? ",
    r"^where (?:can|do) i (?:find|buy|get) ",
    r"[,.]?\s*(?:please|thank you|thanks)(?: very much)?[.!]*$",
)
"""What is said around a need, at its beginning or end."""

KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
