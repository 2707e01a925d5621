/*
 * forks MODULE TOKEN LABEL CHILDREN ROUNDS: an application that is logged in and signing when it forks. The
 * first half of its children initialise anew and sign by themselves; the others use nothing and exec. Child
 * and parent sign all the while, each with a session of its own; each prints "signed N" at its end. Ends with
 * 1 if anybody fails.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

static CK_RV sign(const struct client *client, CK_OBJECT_HANDLE key, CK_OBJECT_HANDLE public_key)
{
    CK_MECHANISM ecdsa = {CKM_ECDSA, NULL, 0};
    CK_BYTE data[32] = "thirty-two bytes to be signed", out[64];
    CK_ULONG len = sizeof(out);
    CK_RV rv = client->p11->C_SignInit(client->session, &ecdsa, key);
    if (rv == CKR_OK)
        rv = client->p11->C_Sign(client->session, data, sizeof(data), out, &len);
    if (rv == CKR_OK)
        rv = client->p11->C_VerifyInit(client->session, &ecdsa, public_key);
    return rv == CKR_OK ? client->p11->C_Verify(client->session, data, sizeof(data), out, len) : rv;
}

static void work(const struct client *client, const char *label, int rounds, const char *who)
{
    const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
    CK_OBJECT_HANDLE key = client_find(client, CKO_PRIVATE_KEY, label);
    CK_OBJECT_HANDLE public_key = client_find(client, CKO_PUBLIC_KEY, label);
    for (int i = 0; i < rounds; i++) {
        client_need(who, sign(client, key, public_key));
        nanosleep(&pause, NULL);
    }
    printf("signed %d\n", rounds);
    fflush(stdout);
}

static _Noreturn void be_child(int number, int half, char **argv, const struct client *parent, int rounds)
{
    CK_SESSION_INFO info;
    if (number >= half) {
        execl("/bin/echo", "echo", "another program", (char *)NULL);
        _exit(1);
    }
    /* What the parent holds is not the child's: by the standard it has not initialised yet. */
    CK_RV rv = parent->p11->C_GetSessionInfo(parent->session, &info);
    if (rv != CKR_CRYPTOKI_NOT_INITIALIZED)
        client_die("a session of the parent, in the child", rv);
    struct client client = client_open(argv[1], argv[2]);
    work(&client, argv[3], rounds, "child");
    client_close(&client);
    exit(0);
}

int main(int argc, char **argv)
{
    enum { CHILDREN = 32 };
    pid_t child[CHILDREN];
    int children = argc == 6 ? atoi(argv[4]) : 0, rounds = argc == 6 ? atoi(argv[5]) : 0, failed = 0;
    if (children < 1 || children > CHILDREN || rounds < 1)
        client_die("usage: forks MODULE TOKEN LABEL CHILDREN ROUNDS", CKR_ARGUMENTS_BAD);
    struct client client = client_open(argv[1], argv[2]);
    work(&client, argv[3], 1, "before the fork");
    for (int i = 0; i < children; i++) {
        child[i] = fork();
        if (child[i] == 0)
            be_child(i, (children + 1) / 2, argv, &client, rounds);
    }
    work(&client, argv[3], rounds, "parent");
    for (int i = 0; i < children; i++) {
        int status = 1;
        failed += child[i] < 0 || waitpid(child[i], &status, 0) != child[i] || status != 0;
    }
    client_close(&client);
    return failed ? 1 : 0;
}
