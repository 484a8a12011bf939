"""What every study needs to be run: recipes, forecasts, several processes, publishing."""
