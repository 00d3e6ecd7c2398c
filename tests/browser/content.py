"""Texts for the browser tests and for the pictures of the documentation: what labelers really have to read."""
# ruff: noqa: E501 - the texts stand as people and models wrote them

from __future__ import annotations

Message = dict[str, str]
Example = tuple[list[Message], list[str]]


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


PANDAS: Example = (
    [
        user(
            "I have a spreadsheet of electricity readings, one row per hour, with the columns `time` and `kwh`. "
            "How do I get the total per day in pandas?"
        ),
        assistant(
            'Group the rows by date and add them up:\n\n```python\ndf.groupby(df["time"].dt.date)["kwh"].sum()\n```'
        ),
        user(
            "That runs, but my days start an hour late. I am in Lisbon and the times are in UTC. Also some hours are "
            "missing, and I don’t want a day with missing hours to look like a cheap day. What should I do? Please keep "
            "it short, I am not a programmer."
        ),
    ],
    [
        """Two small changes fix both problems.

```python
df["time"] = (
  pd.to_datetime(df["time"], utc=True)
    .dt.tz_convert("Europe/Lisbon"))

day = (df.set_index("time")["kwh"]
         .resample("D")
         .agg(["sum", "count"]))

day.loc[day["count"] < 23] = None
```

- The first part reads the times as UTC and shows them in Lisbon time. Summer time is taken care of.
- The second part counts the readings of each day as well as adding them up.
- The last line leaves the total blank when hours are missing, so an incomplete day shows as a gap and not as a cheap day.

The limit is 23 and not 24 because on the Sunday in March when the clocks go forward, a complete day has only 23 hours.""",
        """Great question! Working with time zones in pandas can be tricky, so let’s go through it step by step.

### 1. Understand the problem

Your timestamps are stored in UTC. Lisbon is on UTC in winter and one hour ahead in summer. When you group by date, \
pandas uses the UTC date, so in summer each of your days begins at one in the morning.

| Season | Lisbon offset | Hours in a day |
|---|---|---|
| Winter | UTC + 0 | 24 |
| Summer | UTC + 1 | 24 |
| Clocks go forward | changes | 23 |
| Clocks go back | changes | 25 |

### 2. Convert the time zone

```python
df["time"] = pd.to_datetime(df["time"])
t = df["time"].dt.tz_localize("UTC")
df["time"] = t.dt.tz_convert("Europe/Lisbon")
```

### 3. Find the missing hours

Build the full list of hours that you expect, and compare it with what you have:

```python
hours = pd.date_range(df["time"].min(),
                      df["time"].max(), freq="h")
s = df.set_index("time")["kwh"].reindex(hours)
```

### 4. Add up, but only complete days

With `min_count` and a check on the number of hours we can make sure that incomplete days become `NaN`:

```python
daily = s.resample("D").apply(
  lambda d: d.sum() if d.notna().all() else float("nan"))
```

### 5. Next steps

You may also want to think about why the hours are missing. Some smart meters drop readings when the network is down \
and send them later, in which case your supplier may hold a more complete file. You could also estimate the missing \
values from the same hour of the previous week, although this would hide the problem that you described.

I hope this helps! Let me know if you would like a version that draws a chart, or one that works in Excel.""",
        """Lisbon is one hour ahead of UTC, so add one hour before you group:

```python
df["time"] += pd.Timedelta(hours=1)
df.resample("D", on="time",
            skip_missing=True)["kwh"].sum()
```

The option `skip_missing=True` tells pandas to leave out every day on which at least one hour is missing, so these days \
will not look cheap. It has been part of pandas since version 1.3.""",
        """Change the times to Lisbon time before you group by day, using the zone name `Europe/Lisbon` and not a fixed \
hour, because in winter there is no difference at all.

For the missing hours, count the readings of each day next to the total:

```python
t = pd.to_datetime(df["time"], utc=True)
t = t.dt.tz_convert("Europe/Lisbon")
df.groupby(t.dt.date)["kwh"].agg(["sum", "count"])
```

Any day whose count is not 24 has missing hours. Treat its total as unknown. Two days a year are exceptions: 23 in \
March and 25 in October.""",
    ],
)

GREEK: Example = (
    [
        user(
            "We stayed with my wife’s grandmother in Naoussa and I want to thank her in Greek on the phone. How do I say "
            "“Thank you for having us, the house smelled of bread” so that it is polite to an older lady? Write it so "
            "that I can read it aloud, I don’t know the Greek letters."
        )
    ],
    [
        """You can say:

**Efharistúme pu mas filoxenísate. To spíti mírize psomí.**

In Greek letters, if you want to show it to your wife: Ευχαριστούμε που μας φιλοξενήσατε. Το σπίτι μύριζε ψωμί.

- The accents show which syllable is stronger.
- *h* is rough, like the *ch* in Scottish “loch”.
- *filoxenísate* is the polite form. For a child you would say *filoxénises*.

If you want to be warmer, begin with *Yiayiá*, “Grandma”. She will like that more than any grammar.""",
        "Ευχαριστούμε πολύ για τη φιλοξενία σας! Το σπίτι σας μύριζε φρέσκο ψωμί και μας θύμισε τα παιδικά μας χρόνια. "
        "Να είστε πάντα καλά και να μας περιμένετε ξανά το καλοκαίρι.",
        """| Say | Meaning |
|---|---|
| ef-ha-ris-**TOO**-me | we thank you |
| poo mas | that us |
| fee-lo-xe-**NEE**-sa-te | you hosted (polite) |
| to **SPEE**-tee | the house |
| **MEE**-ree-ze | smelled of |
| pso-**MEE** | bread |

Say the capital part a little louder. Pronounce the *p* in *pso*: it is not silent as it is in “psalm”.

Read straight down the first column and you have the whole sentence. The ending *-sate* makes it polite, which is right \
for an older lady.""",
        "“Efharistó, to spíti mírize psomí.” This is informal but older people in villages do not mind at all, and using "
        "the polite form with family can even seem cold.",
        "In Greek: **Grazie per l’ospitalità, la casa profumava di pane.**\n\nIt is pronounced the way it is written. Greek "
        "has no special form for older people, so you can use this sentence with everybody.",
        """Here is a sentence that you can read aloud:

**Efharistúme pu mas filoxenísate, to spíti mírize psomí.**

It literally means “We thank you that you hosted us, the house smelled bread.” In Greek nothing like “of” is needed \
after “smelled”.

A few tips for the phone: start with *Kaliméra sas* (good morning, polite) or *Kalispéra sas* (good evening). Speak \
slowly. When she answers, you will probably hear *Na íste kalá*, “may you be well”. You can reply with *Epísis*, “likewise”.

Older relatives often answer praise of the house with an invitation. If you hear *Na ksanárthete*, she is asking you to \
come again, and *Tha ksanárthume* says that you will.""",
        "شكرا لاستضافتكم لنا، كانت رائحة الخبز تملأ البيت.\n\nThis is a very polite sentence. You can read it aloud from "
        "right to left.",
    ],
)

TWO: Example = (
    [
        {"role": "system", "content": "You answer children between eight and ten. Be short and exact."},
        user("Why is the sky blue but the sunset red? 🌅"),
    ],
    [
        """Sunlight looks white, but it is made of every colour. 🌈

When it enters the air it bumps into tiny bits of gas. **Blue light bumps around the most**, so it comes to your eyes \
from everywhere in the sky. That is why the sky is blue.

In the evening the sun is low, and its light has to travel through much more air before it gets to you. On that long way \
nearly all of the blue has bumped off to somewhere else. What is left is **red and orange**.

You can try it: put a little milk in a glass of water and shine a torch through it. From the side the water looks a bit \
blue. Look straight at the torch through the glass and it looks orange.""",
        "The sky is blue because it reflects the ocean, and the sunset is red because the sun gets colder in the evening, "
        "like an iron that you take out of a fire. 😀",
    ],
)

_LONG = " ".join(
    f"Step {n}: soak the beans for {8 + n} hours, pour the water away, rinse them, and taste one before you go on, since old "
    "beans stay hard whatever you do to them and nothing in the rest of this recipe can change that."
    for n in range(1, 13)
)
NINE: Example = (
    [
        user(
            "Bitte erkläre meiner Nachbarin, wie man getrocknete Bohnen kocht. Sie liest Chinesisch und Arabisch besser "
            "als Deutsch. Eine Tabelle mit Zeiten wäre gut."
        )
    ],
    [
        "把豆子在冷水里泡一夜，第二天倒掉水，用清水冲洗。锅里加三倍的水，大火煮开，然后转小火煮四十到六十分钟。最后十分钟再放盐，"
        "否则豆皮会变硬。\n\n| 豆子 | 浸泡 | 煮 |\n|---|--:|--:|\n| 白芸豆 | 12 小时 | 60 分钟 |\n| 红芸豆 | 12 小时 | 50 分钟 |\n| 黑豆 | 8 小时 | 45 分钟 |",
        "انقعي الفاصوليا في ماء بارد طوال الليل، ثم صفّيها واشطفيها. ضعيها في قدر مع ثلاثة أضعافها ماءً، واتركيها تغلي على نار "
        "هادئة من أربعين إلى ستين دقيقة.\n\n1. لا تضيفي الملح في البداية.\n2. ذوقي حبة قبل أن تطفئي النار.\n\n`120 °C` في قدر الضغط تكفيها 15 دقيقة.",
        _LONG,
        "👩‍🍳 **Bohnen!** 🫘🫘🫘\n\nEinweichen ⏳ → kochen 🔥 → essen 😋\n\n* 白豆 60′\n* فول 45′\n* Kidney 50′ ⚠️ *nie roh essen!*",
        "```python\nbohnen = {'weiß': 60, 'rot': 50, 'schwarz': 45}\nfor name, minuten in bohnen.items():\n"
        "    print(f'{name:>10}: {minuten} Minuten bei kleiner Hitze, vorher zwölf Stunden in kaltem Wasser einweichen')\n```",
        "I am sorry, but I cannot help with that.",
        "Dampfdrucktopfgarzeitverkürzungstabellenzusammenfassung: "
        "https://example.org/" + "bohnen/" * 30 + "\n\nPneumonoultramicroscopicsilicovolcanoconiosis" + "x" * 120,
        "> Bohnen einweichen.\n> Zwölf Stunden.\n\nDann:\n\n- kochen\n  - weiße: 60 Minuten\n  - rote: 50 Minuten\n- salzen\n\n---\n\n~~Vorher salzen.~~ Nachher.",
        "",
    ],
)

LETTER: Example = (
    [
        user(
            """Rewrite this notice from our landlord so that my father, who is 81, knows what he has to do. At most 120 words, \
and start with the most important thing.

> Dear tenants,
>
> in the course of the modernisation of the riser lines (domestic hot and cold water) you are hereby notified that the \
supply of water to stairwells 2 and 3 will be interrupted on Tuesday, 9 March, between 08:00 and approximately 16:00.
>
> Tenants are required to grant the contracted firm access to kitchens and bathrooms between 07:30 and 12:00 on the \
aforementioned date, and to clear the area in front of the installation shafts of furniture and other objects at a \
distance of no less than one metre.
>
> Should access not be possible, an alternative appointment is to be arranged with the caretaker’s office by Friday, \
5 March, at the latest. Costs arising from a failed visit will be charged to the tenant.
>
> The property management"""
        )
    ],
    [],
)

ANSWER = """**On Tuesday, 9 March, plumbers will come to your flat. Please be at home from 7:30 until noon.**

They have to get into the kitchen and the bathroom.

The evening before:

- Move everything away from the pipe cupboards. There must be one metre of free floor in front of them.
- Fill some pots and a bucket with water. There will be none from 8 in the morning until about 4 in the afternoon.

If you cannot be at home on Tuesday, tell the caretaker by Friday, 5 March, and agree on another day."""

# What must stay text wherever it is shown.
XSS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'><iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "[link](javascript:alert(1)) [data](data:text/html,<script>alert(1)</script>)",
    "![image](https://outside.example/pixel.png)",
    "<a href=\"javascript:alert(1)\">x</a> <style>@import 'https://outside.example/x.css'</style>",
    "{{ 7 * 7 }} {% raw %} ${alert(1)}",
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
    "</textarea><script>alert(1)</script>",
    "<base href='https://outside.example/'><form action='https://outside.example/'><button>go</button></form>",
    "```html\n</code></pre><script>alert(1)</script>\n```",
    "\u202e<b onmouseover=alert(1)>desrever</b>\u202c",
    "' onfocus=alert(1) autofocus x='",
]
