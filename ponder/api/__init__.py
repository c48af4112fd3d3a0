"""The public layer between the rooms and whoever uses them: commands, servers, recipes, scripts of one's own."""
