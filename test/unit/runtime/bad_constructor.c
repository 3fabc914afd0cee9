int started;
__attribute__((constructor)) void start(void) { started = 1; }
