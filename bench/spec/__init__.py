"""What is asked, without torch: recipes, measurements, trials, suites, and the names and costs that they may use."""
