/* Making files that must survive a crash. 0 or -errno. */
#ifndef VAULT_DISK_H
#define VAULT_DISK_H

#include "base/def.h"

/* Makes the name `path` durable: syncs the folder that holds it. */
MUST_USE int disk_sync_folder(const char *path);
/* A new file of mode 0600 whatever the umask, durable; -EEXIST if there is one. After another failure there
 * is none. */
MUST_USE int disk_write_new(const char *path, const void *data, size_t len);

#endif
