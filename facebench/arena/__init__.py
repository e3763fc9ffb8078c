"""Blind judgement by people: pictures of two models, or one picture, and a page to judge them."""
