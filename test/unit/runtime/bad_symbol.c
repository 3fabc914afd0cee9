extern int some_other_function(void);
int kernel(void) { return some_other_function(); }
