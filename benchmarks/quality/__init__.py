"""How well the learners predict."""
