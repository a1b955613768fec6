-- A duplicate label.
::again::
print()
::again:: -- want 1-71 syntax: label 'again' already defined on line 2
print()
