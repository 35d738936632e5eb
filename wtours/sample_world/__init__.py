"""The world that the sample walk leads through: two streets and a gallery made of photographs."""
