"""Drawings made by code that look drawn by hand: bodies, clothes, media, hands, paper."""
