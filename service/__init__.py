"""The online service: scores a query's candidates over HTTP, inside a latency budget."""
