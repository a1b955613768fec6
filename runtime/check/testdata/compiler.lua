-- Errors that only the compiler finds.
print{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, (pcall(print)), pcall(print)} -- want 1-323 syntax: a list of 50, 100, … items can't end in a call or ... that may give several values: put it in parentheses to take one
