"""More texts for the pictures: questions of a household, each with four responses from the best to the worst."""
# ruff: noqa: E501 - the texts stand as people and models wrote them

from __future__ import annotations

from tests.browser.content import Example, user
from tests.qualifying import item

RICE: Example = (
    [user("We had rice last night and the pot stood on the stove until this morning. It smells fine. Can I fry it for lunch?")],
    [
        """Please throw it away, even though it smells fine.

Rice carries spores of a bacterium, *Bacillus cereus*, that survive the cooking. In warm rice they wake up and make a poison, and \
frying it does not destroy that poison. A whole night is far too long.

Next time, put what is left into the fridge within an hour or two, in a flat dish so that it cools quickly, and eat it the next day.""",
        "No. Rice that stood warm overnight can make you ill although it smells normal. Put it into the fridge soon after the meal next time.",
        "I cannot give advice on food safety. Please ask a doctor or your local authority.",
        "Yes, if you fry it hot enough: heat kills everything. Rice keeps for about three days at room temperature, so one night is no problem.",
    ],
)  # fmt: skip

TIN: Example = (
    [user("My recipe is for a round tin of 23 cm, mine has 18 cm. How much of everything do I need? There are 4 eggs in it.")],
    [
        """About **60 %** of everything, if your tin is as high.

What counts is the area, and that goes with the square: 18 × 18 = 324, 23 × 23 = 529, and 324 / 529 is 0.61.

For the eggs take 2 and half of a third one, beaten. Bake at the same temperature and have a look after two thirds of the time.""",
        "The area of the small tin is 0.61 of the large one. So multiply every amount by 0.61. For the eggs that is 2.4.",
        "Use half of everything and 2 eggs. It will be a little flat but nobody will notice.",
        "18 / 23 = 0.78, so you need 78 % of every amount, which is 3 eggs and a bit.",
    ],
)  # fmt: skip

TRAIN: Example = (
    [user("The night train leaves at 22:47 and takes 7 hours 35 minutes. My next one goes at 6:45. Is there time for a coffee?")],
    [
        """Yes: you arrive at **6:22** and have 23 minutes.

22:47 and 7 hours are 5:47, and 35 minutes more are 6:22. It is enough for a coffee to take along, if the night train is on time. \
Have a look at the delay before you get up.""",
        "You arrive at 6:22. That leaves 23 minutes.",
        "It depends on many factors, such as the size of the station, the queue and how quickly you drink. In general it is a good idea to "
        "plan enough time between two trains. Many travellers like to arrive early. Coffee is also sold on some trains.",
        "No. 22:47 plus 7:35 is 6:52, so your next train has left by then.",
    ],
)  # fmt: skip

LEAP: Example = (
    [user("My daughter is seven. How do I explain to her why there is a 29th of February only every four years?")],
    [
        """Try it with a birthday party.

“A year is one walk of the Earth around the Sun. The walk takes 365 days **and a bit**: about six hours. We can’t have a day of six \
hours, so we save the bits. After four years we have saved four of them, and four times six hours is a whole day. That day is the \
29th of February.”

If she asks what happens without it: after a hundred years summer would come almost a month late in the calendar.""",
        "The Earth needs 365 days and almost six hours for its way around the Sun. Every four years these hours make one more day.",
        "According to the Gregorian calendar a year is a leap year if it is divisible by 4, except for centuries, unless these are divisible by 400. "
        "The mean year is therefore 365.2425 days long.",
        "Because February is the shortest month and gets a present every four years, so that it is not sad.",
    ],
)  # fmt: skip

CABBAGE: Example = (
    [user("Half a white cabbage, two eggs, stale bread, no oven. What is for dinner for two?")],
    [
        """**Cabbage pancakes on toasted bread**, 25 minutes, one pan.

1. Cut the cabbage as thin as you can, salt it, and knead it for a minute.
2. Stir in the eggs and two handfuls of the bread, grated. Wait five minutes.
3. Fry small heaps in oil, four minutes on each side, until they are brown.
4. Toast slices of the rest in the same pan.

Mustard or yoghurt goes well with it.""",
        "Fry the cabbage in strips, add the bread in cubes, and stir the eggs in at the end. Salt, pepper, done.",
        "You could bake a cabbage gratin: 200 °C for 40 minutes. Cover it with breadcrumbs and egg.",
        "There are many delicious dinners! Cabbage is healthy and full of vitamin C. Would you like to know more about vitamins?",
    ],
)  # fmt: skip

PARCEL: Example = (
    [user("Write two sentences to my neighbour: I have her parcel, I am away until Thursday, my sister on the third floor has the key. Friendly, no exclamation marks.")],
    [
        "Your parcel is safe in my flat, and my sister on the third floor has the key, so please ring her bell whenever it suits you. I am "
        "away until Thursday and wish you a good week.",
        "I have your parcel, but I am away until Thursday. My sister on the third floor has my key and will give it to you.",
        "Dear neighbour, your parcel is with me. I am away until Thursday. My sister has the key. She lives on the third floor. Kind regards.",
        "Hi there! I’ve got your parcel! I’m away till Thursday, but no worries, my sister on the third floor has the key!",
    ],
)  # fmt: skip

BASIL: Example = (
    [user("I buy a pot of basil and after ten days it is dead, every time. What am I doing wrong?")],
    [
        """Probably nothing: a pot from the shop holds twenty plants or more that strangle each other.

- **Divide it** on the first day into three or four pots with new soil.
- Put them where it is bright, and not below 12 °C at night.
- Water into the saucer, and pour away what is left after half an hour.
- Cut whole stems just above a pair of leaves; it grows on from there. Single leaves torn off leave it bare.""",
        "Too much water, most likely. Let the soil get dry at the top, give it light, and cut stems instead of leaves.",
        "Basil needs sun and water. Make sure that it has enough of both, but not too much.",
        "Basil lives for ten days by nature. Buy a new one each week.",
    ],
)  # fmt: skip

PODCAST: Example = (
    [user("My father is 84 and asks what a podcast is. Three sentences, without English words as far as possible.")],
    [
        "It is like a radio programme that you can listen to whenever you want. You choose one on the telephone, press the arrow, and somebody "
        "tells a story or talks with a guest. You can stop it when the doorbell rings and go on later at the same word.",
        "A podcast is a recorded programme for listening. It comes over the internet. You can hear it at any time.",
        "A podcast is an audio series, distributed via feeds and available on demand on streaming platforms. Episodes can be downloaded. Many "
        "are free.",
        "A podcast is a small device with a loudspeaker. You put it on the table. It plays music.",
    ],
)  # fmt: skip

# The second response differs from the first one in a few words, and they matter.
KETTLE: Example = (
    [user("My kettle is full of lime. How do I get rid of it with what is in the kitchen?")],
    [
        """Use vinegar:

1. Fill the kettle halfway with one part household vinegar and two parts water.
2. Bring it to the boil, switch it off, and leave it for half an hour.
3. Pour everything away, rinse it twice, and boil clear water once before you make tea again.

Open the window: it smells of vinegar, but it does no harm.""",
        """Use vinegar:

1. Fill the kettle to the brim with one part household vinegar and two parts water.
2. Bring it to the boil, leave it on, and come back in half an hour.
3. Pour everything away, and boil clear water once before you make tea again.

Close the window: it smells of vinegar, but it does no harm.""",
        "Buy a descaler and follow the instructions on the package.",
        "Lime is healthy, since it is calcium. You can leave it where it is.",
    ],
)  # fmt: skip

EXAMPLES = (RICE, TIN, TRAIN, LEAP, CABBAGE, PARCEL, BASIL, PODCAST)

ANSWERS = (
    (
        "Why do leaves turn red in autumn?",
        "In autumn a tree takes the green out of its leaves and stores what is useful in it for the next year. The yellow was there all the "
        "time and is seen now.\n\nThe red is made anew, out of sugar, on sunny days and in cold nights. Why trees take the trouble is not "
        "settled; it may protect the leaf from too much light while it is being emptied.",
    ),
    (
        "A friend wants to bring her dog to our wedding. How do I say no without hurting her?",
        "Say it early, say it once, and give the reason that is true:\n\n> I’m so glad that you are coming. Please leave your dog at home that "
        "day: the hall is small, and my grandmother is afraid of dogs. I’d love to go for a walk with you both the week after.\n\nThe walk "
        "matters. It shows that the no is about the hall and not about her.",
    ),
)

UNCLEAR = [user("Make it better.")]
BROKEN = [user("Summarise this letter in two sentences:\n\nDear tenants, the w�t�r in st��rw�ll 2 will be ����������")]
PERSONAL = [
    user("Here is my mother’s letter from the hospital, with her name, her date of birth and all results. What does it say? [the letter follows]")
]  # fmt: skip

FIRST_GUIDELINES = """\
# What we ask of you

Rate each response alone, as if it were the only one. Then put them in order.

- **7** I would be glad to get this answer.
- **4** As much right as wrong.
- **1** Worse than no answer.

First ask whether it helps the person who wrote the prompt, then whether it is true, then whether it could do harm.

Tie freely. If you would not mind which of two you got, they are equal.

Skip when you cannot tell what is asked.
"""
SECOND_GUIDELINES = """\
# What we ask of you

Rate each response alone, as if it were the only one. Then put them in order.

- **7** I would be glad to get this answer.
- **4** As much right as wrong.
- **1** Worse than no answer.

First ask whether it helps the person who wrote the prompt, then whether it is true, then whether it could do harm. \
Where following the prompt could hurt somebody, harm comes first.

Length is neither good nor bad: a short answer that says everything is better than a long one that says the same.

Tie freely. If you would not mind which of two you got, they are equal.

Skip when you cannot tell what is asked, or when the topic is not one you can judge.
"""

REASONS = {
    RICE[0][0]["content"]: "The best one says why. One of them would make people ill.",
    TIN[0][0]["content"]: "The best one does the sum and says what to do with the eggs.",
    LEAP[0][0]["content"]: "One is right, too, but a child would not understand it.",
    BASIL[0][0]["content"]: "It is not true that basil lives for ten days only.",
}

QUALIFICATION = [
    item("ranking", RICE[0][0]["content"], [RICE[1][0], RICE[1][3], RICE[1][1]], [1, 3, 2], "practice"),
    item(
        "flags",
        "Is it normal to be afraid of ladders?",
        ["Only somebody who has never read a manual would ask that. Buy a bigger ladder and stop whining."],
        ["inappropriate"],
        "practice",
    ),
    item("flags", "When are gutters cleaned?", ["Twice a year, in late spring and after the leaves have fallen."], []),
    item(
        "flags",
        "Which is the nicer colour for a kitchen?",
        ["Yellow. It is warm in winter and friendly at breakfast."],
        ["opinion"],
    ),
    item("ranking", TIN[0][0]["content"], TIN[1], [1, 2, 3, 4]),
    item("ranking", PODCAST[0][0]["content"], PODCAST[1], [1, 2, 3, 4]),
    item("demonstration", "My neighbour lost his job. What can I say to him?", [], None),
]
QUALIFICATION[0]["explanation"] = """\
Two of them keep the person from falling ill. The one that also says **why**, and what to do next time, is the better one. To \
fry the rice is wrong, and dangerous: heat does not destroy the poison.
"""
