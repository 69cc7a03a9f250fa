"""What is compared: one module an arm, named `by_` and the library. `prepare` imports, the call it returns maps."""
