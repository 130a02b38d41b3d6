static void *need(void *p, const char *what) {
    if (p) return p;
    fprintf(stderr, "there is no %%s\n", what);
    exit(1);
}

static void *room_for(long count, long size) {
    return need(aligned_alloc(64, (count * size + 64) / 64 * 64), "memory");
}

static void *filled(long count, long size, FILE *file) {
    void *p = room_for(count, size);
    if (fread(p, size, count, file) != (size_t)count) need(NULL, "more in the file");
    return p;
}

int main(int count, char **words) {
    if (count < 4) {
        fprintf(stderr, "usage: %%s FILE STEPS RATE [RESULT]\n", words[0]);
        return 1;
    }
    FILE *file = need(fopen(words[1], "rb"), "such file");
    long steps = atol(words[2]);
    double rate = atof(words[3]);
    int64_t T = 0;
    if (fread(&T, sizeof T, 1, file) != 1 || T != %(T)d)
        need(NULL, "T = %(T)d at the head of the file: the constants here are for that length");
%(read)s
    fclose(file);
%(link)s
    for (long epoch = 0; epoch < steps; epoch++) {
        if (step(T, room, %(arguments)s))
            need(NULL, "element at an index that one of the arrays says");
%(required)s        printf("%%ld %%.9g\n", epoch, (double)%(loss)s[0]);
%(descend)s
    }

    if (count > 4) {
        FILE *result = need(fopen(words[4], "wb"), "way to write the result");
        fwrite(&T, sizeof T, 1, result);
%(keep)s
        if (ferror(result) | fclose(result)) need(NULL, "room for the result");
    }
%(free)s
    return 0;
}
