//! Turns what people give into the values of parameters.
