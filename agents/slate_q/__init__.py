"""SlateQ: values of single items, and the slates that are best by them."""
