"""Run folder -> one HTML page, plots and the closing table. Start with `page.render`."""
