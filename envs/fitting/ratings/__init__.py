"""Users learned from ratings: what attracts them, what satisfies them."""
