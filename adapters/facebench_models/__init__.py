"""Other people's models: trained elsewhere, opened as they were saved, by stated conventions."""
