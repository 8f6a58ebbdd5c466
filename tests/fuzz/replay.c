/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs a fuzz target once over each file of the folders that it is given: no libFuzzer needed. */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	size_t size = 0;
	size_t got;

	if (!f)
		return -1;
	do {
		uint8_t *more = realloc(data, size + 65536);

		if (!more)
			abort();
		data = more;
		got = fread(data + size, 1, 65536, f);
		size += got;
	} while (got);
	(void)fclose(f);                          /* only read */
	(void)LLVMFuzzerTestOneInput(data, size); /* always 0 */
	free(data);
	return 0;
}

static int replay_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int files = 0;

	if (!dir) {
		perror(folder);
		return -1;
	}
	while ((entry = readdir(dir))) {
		char path[PATH_MAX];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (replay_file(path)) {
			perror(path);
			files = -1;
			break;
		}
		files++;
	}
	closedir(dir);
	return files;
}

int main(int argc, char **argv)
{
	int files = 0;

	for (int i = 1; i < argc; i++) {
		int n = replay_folder(argv[i]);

		if (n < 0)
			return 1;
		files += n;
	}
	printf("replayed %d inputs\n", files);
	return files ? 0 : 1;
}
