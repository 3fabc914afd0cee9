__thread int counter;
int kernel(void) { return ++counter; }
