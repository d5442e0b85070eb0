/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs a fuzz target once over every file of the corpus folders named: libFuzzer's main without it. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (1 << 20)

static int replay_file(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return -1;

	/* Exactly as long as the input, so that a read past its end is seen. */
	uint8_t *buffer = malloc(INPUT_MAX);
	size_t size = buffer ? fread(buffer, 1, INPUT_MAX, file) : 0;
	fclose(file);
	uint8_t *input = malloc(size ? size : 1);
	if (!buffer || !input)
		abort();
	memcpy(input, buffer, size);
	free(buffer);

	LLVMFuzzerTestOneInput(input, size);
	free(input);
	return 0;
}

int main(int argc, char *argv[])
{
	int files = 0;

	for (int i = 1; i < argc; i++) {
		DIR *dir = opendir(argv[i]);
		if (!dir) {
			fprintf(stderr, "no corpus folder %s\n", argv[i]);
			return 1;
		}
		for (struct dirent *entry; (entry = readdir(dir));) {
			char path[4096];
			snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
			if (entry->d_name[0] != '.' && replay_file(path) == 0)
				files++;
		}
		closedir(dir);
	}

	printf("%d inputs replayed\n", files);
	return files == 0;
}
