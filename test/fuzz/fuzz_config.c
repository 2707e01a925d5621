/* The configuration: any file is read or refused with messages, never more. */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/config.h"
#include "test/fuzz/bytes.h"

static char path[] = "/tmp/p11ha-fuzz-XXXXXX";

static void remove_file(void)
{
    (void)unlink(path);
}

static int make_file(void)
{
    static int file = -1;
    if (file < 0) {
        file = mkstemp(path);
        if (file < 0 || atexit(remove_file) != 0)
            abort();
    }
    return file;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int file = make_file();
    if (ftruncate(file, 0) != 0 || pwrite(file, data, size, 0) != (ssize_t)size)
        abort();
    struct config *config = NULL;
    char *errors = NULL, *warnings = NULL;
    int rc = config_read(path, &config, &errors, &warnings);
    /* Either a configuration, or why not. */
    if ((rc == 0) != (config != NULL) || (rc == 0) != (errors == NULL))
        abort();
    config_free(config);
    mem_free(errors);
    mem_free(warnings);
    return 0;
}
