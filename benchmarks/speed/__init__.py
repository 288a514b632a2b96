"""What the learners cost, as ratios against the least that is possible."""
