"""What is the same for all endpoints: limits, errors, events, headers, and the application that holds them."""
