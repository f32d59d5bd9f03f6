"""The paper's figures that show no results, so that nothing can be reproduced of them."""

DIAGRAMS = {
    "fig1": "Figure 1 is a diagram of the OAT framework, not a result",
    "fig3": "Figure 3 is a diagram of the OATS framework, not a result",
}
