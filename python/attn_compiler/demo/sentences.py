# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What the demo embeds: sentences of a few subjects, and questions that one of them answers best.

The stored reference embeddings belong to these very texts; `python -m attn_compiler.demo --store` makes them anew.
"""

SENTENCES = [
    "The cat curled up on the warm windowsill and fell asleep.",
    "A kitten was chasing a ball of wool across the carpet.",
    "Our old dog waits at the door every evening until somebody takes him for a walk.",
    "The violinist tuned her instrument before the concert began.",
    "He practises scales on the piano for an hour each morning.",
    "The choir sang the last movement without an accompaniment.",
    "Knead the dough for ten minutes, then let it rise under a towel until it has doubled in size.",
    "Add the garlic to the hot oil and stir until it smells sweet.",
    "The soup needs a pinch of salt and a few drops of lemon juice.",
    "A glacier is a river of ice that moves under its own weight.",
    "Rain that falls on the eastern slope reaches the sea after nine days.",
    "The volcano had been quiet for three centuries before it erupted.",
    "The bank raised its interest rate by a quarter of a percent.",
    "Shares of the shipping company fell after the strike was announced.",
    "He keeps a tenth of his salary in a savings account for his old age.",
    "The compiler unrolled the loop and kept the sums in vector registers.",
    "A cache miss costs more than a hundred additions.",
    "The program crashed because two threads wrote to the same list.",
    "The goalkeeper saved the penalty in the last minute of the match.",
    "She ran the marathon in under three hours despite the rain.",
    "The nurse changed the bandage and took the patient's temperature.",
    "Vaccines teach the immune system to recognise a virus it has not met yet.",
    "The train to the airport leaves every twenty minutes from platform four.",
    "Because of the fog, all flights before noon were delayed.",
]

QUESTIONS = [
    "How do I bake bread?",
    "Why is my software slow?",
    "Which pets like to sleep?",
    "How can I get to my plane?",
]
