volatile int started; /* volatile: or the compiler runs the constructor itself */
__attribute__((constructor)) void start(void) { started = 1; }
