"""Running candidates' programs where they can do no harm, and telling right from wrong outside of them."""
