/* SPDX-License-Identifier: MIT */
#include "daemon/worker/auth_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/worker/auth_file.h"
#include "lib/base64.h"
#include "lib/certificate.h"
#include "lib/key_text.h"
#include "lib/str.h"

#define PUBLIC_SUFFIX ".pub"
#define CERTIFICATE_SUFFIX "-cert.pub"

static int copy_bytes(unsigned char **to, size_t *to_size, struct ssh_span from, struct err *err)
{
	*to = malloc(from.size + 1);
	if (!*to)
		return err_nomem(err);
	if (from.size > 0)
		memcpy(*to, from.data, from.size);
	*to_size = from.size;
	return 0;
}

static struct ssh_span text_blob(const struct key_text *text)
{
	return (struct ssh_span){ text->blob, text->blob_size };
}

/* ---- libssh's keys ---- */

ssh_key identity_public_key(struct ssh_span blob)
{
	struct ssh_span type = key_blob_type(blob);
	CLEANUP(freep) char *text = base64_encode(blob.data, blob.size);
	char name[64];
	ssh_key key = NULL;

	if (!text || type.size == 0 || type.size >= sizeof(name))
		return NULL;
	memcpy(name, type.data, type.size);
	name[type.size] = '\0';
	if (ssh_pki_import_pubkey_base64(text, ssh_key_type_from_name(name), &key) != SSH_OK)
		return NULL;
	return key;
}

char *identity_fingerprint(char *out, size_t size, struct ssh_span blob)
{
	ssh_key key = identity_public_key(blob);
	unsigned char *hash = NULL;
	size_t hash_size;
	char *text = NULL;

	if (key && ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &hash_size) == 0)
		text = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, hash_size);
	snprintf(out, size, "%s", text ? text : "a key of unknown kind");
	ssh_string_free_char(text);
	ssh_clean_pubkey_hash(&hash);
	ssh_key_free(key);
	return out;
}

/* Without a callback libssh, or OpenSSL below it, would ask at a terminal. */
static int on_passphrase(const char *prompt, char *buf, size_t len, int echo, int verify,
			 void *data)
{
	*(bool *)data = true;
	return -1;
}

/* ---- one identity ---- */

static int fail_unknown(const char *path, const char *why, struct err *err)
{
	return err_set(err, ERR_IDENTITY_UNREADABLE,
		       "identity %s is not a private key this libssh can read%s", path, why);
}

/* What is known about a format that libssh does not read. */
static const char *why_unread(const char *text)
{
	static const struct {
		const char *sign, *why;
	} kinds[] = {
		{ "DSA PRIVATE KEY", " (DSA; no server takes it any more)" },
		/* the beginning of its PKCS #8, in base64; ssh-keygen -p writes its own format */
		{ "MC4CAQAwBQYDK2Vw",
		  " (Ed25519 in PKCS #8: rewrite it with ssh-keygen -p, of OpenSSH 9.6 or later)" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strstr(text, kinds[i].sign))
			return kinds[i].why;
	}
	return "";
}

static int take_private(struct identity *id, const char *text, struct err *err)
{
	char *exported = NULL;
	bool encrypted = false;

	if (ssh_pki_import_privkey_base64(text, NULL, on_passphrase, &encrypted, &id->key) !=
	    SSH_OK) {
		if (!encrypted)
			return fail_unknown(id->path, why_unread(text), err);
		id->kind = IDENTITY_ENCRYPTED;
		return 0;
	}
	id->kind = IDENTITY_KEY;
	if (id->blob)
		return 0;
	if (ssh_pki_export_pubkey_base64(id->key, &exported) != SSH_OK)
		return fail_unknown(id->path, "", err);
	id->blob = malloc(strlen(exported) + 1);
	if (id->blob)
		id->blob_size = (size_t)base64_decode(exported, strlen(exported), id->blob,
						      strlen(exported) + 1);
	ssh_string_free_char(exported);
	return id->blob ? 0 : err_nomem(err);
}

/* KEY.pub beside KEY, for a key that does not show its public half or is not here at all. Says nothing
 * when there is none. */
static int take_public_file(struct identity *id, const char *path, struct err *err)
{
	CLEANUP(auth_file_fini) struct auth_file file = { 0 };
	CLEANUP(key_text_fini) struct key_text text = { 0 };

	if (auth_file_read(&file, path, "identity", NULL) < 0)
		return 0;
	if (key_text_parse(&text, file.text) < 0)
		return err_nomem(err);
	return text.kind == KEY_TEXT_PUBLIC
		       ? copy_bytes(&id->blob, &id->blob_size, text_blob(&text), err)
		       : 0;
}

static int take_public_beside(struct identity *id, struct err *err)
{
	CLEANUP(freep) char *path = str_printf("%s" PUBLIC_SUFFIX, id->path);

	return path ? take_public_file(id, path, err) : err_nomem(err);
}

static int take_private_text(struct identity *id, const struct auth_file *file,
			     const struct key_text *text, struct err *err)
{
	if (auth_file_check_private(file, id->path, err) < 0)
		return -1;
	if (text->blob && copy_bytes(&id->blob, &id->blob_size, text_blob(text), err) < 0)
		return -1;
	if (text->blob && key_blob_is_hardware(text_blob(text))) {
		id->kind = IDENTITY_PUBLIC;
		return 0;
	}
	if (!text->encrypted)
		return take_private(id, file->text, err);
	id->kind = IDENTITY_ENCRYPTED;
	return id->blob ? 0 : take_public_beside(id, err);
}

static int take_text(struct identity *id, const struct auth_file *file, const struct key_text *text,
		     struct err *err)
{
	switch (text->kind) {
	case KEY_TEXT_PRIVATE:
		return take_private_text(id, file, text, err);
	case KEY_TEXT_PUBLIC:
		id->kind = IDENTITY_PUBLIC;
		return copy_bytes(&id->blob, &id->blob_size, text_blob(text), err);
	case KEY_TEXT_CERTIFICATE:
		return fail_unknown(id->path,
				    " (it is a certificate: name it with 'certificate_file')", err);
	case KEY_TEXT_PUTTY:
		return fail_unknown(id->path,
				    " (it is PuTTY's: convert it with puttygen -O private-openssh)",
				    err);
	case KEY_TEXT_SSHCOM:
		return fail_unknown(id->path,
				    " (it is of another SSH: convert it with ssh-keygen -i)", err);
	default:
		return fail_unknown(id->path, "", err);
	}
}

static int load_file(struct identity *id, struct err *err)
{
	CLEANUP(auth_file_fini) struct auth_file file = { 0 };
	CLEANUP(key_text_fini) struct key_text text = { 0 };

	id->path = auth_file_path(id->name, err);
	if (!id->path)
		return -1;
	if (auth_file_read(&file, id->path, "identity", err) < 0) {
		if (err->code != ERR_IDENTITY_MISSING || take_public_beside(id, err) < 0 ||
		    !id->blob)
			return -1;
		id->kind = IDENTITY_PUBLIC;
		return 0;
	}
	if (key_text_parse(&text, file.text) < 0)
		return err_nomem(err);
	return take_text(id, &file, &text, err);
}

int identity_unlock(const char *path, const char *passphrase, ssh_key *ret_key, struct err *err)
{
	CLEANUP(auth_file_fini) struct auth_file file = { 0 };

	if (auth_file_read(&file, path, "identity", err) < 0 ||
	    auth_file_check_private(&file, path, err) < 0)
		return -1;
	if (ssh_pki_import_privkey_base64(file.text, passphrase, NULL, NULL, ret_key) == SSH_OK)
		return 0;
	return err_set(err, ERR_PASSPHRASE, "the passphrase for %s is wrong", path);
}

/* ---- certificates ---- */

static int parse_certificate(struct identity_certificate *c, const struct key_text *text,
			     struct err *err)
{
	struct certificate parsed;

	if (text->kind != KEY_TEXT_CERTIFICATE)
		return err_set(err, ERR_CERTIFICATE, "it is no certificate");
	if (copy_bytes(&c->blob, &c->blob_size, text_blob(text), err) < 0 ||
	    certificate_parse(&parsed, (struct ssh_span){ c->blob, c->blob_size }, err) < 0)
		return -1;
	if (certificate_check(&parsed, (uint64_t)time(NULL), &c->error) < 0)
		err_prefix(&c->error, "certificate %s", c->path);
	c->certificate_key = TAKE(parsed.key);
	c->key = (struct ssh_span){ c->certificate_key, parsed.key_size };
	certificate_fini(&parsed);
	return 0;
}

static void certificate_free(struct identity_certificate *c)
{
	free(c->path);
	free(c->blob);
	free(c->certificate_key);
	*c = (struct identity_certificate){ 0 };
}

static bool has_certificate(const struct identities *ids, const char *path)
{
	for (size_t i = 0; i < ids->certificate_count; i++) {
		if (streq(ids->certificates[i].path, path))
			return true;
	}
	return false;
}

static int read_certificate(struct identity_certificate *c, struct err *err)
{
	CLEANUP(auth_file_fini) struct auth_file file = { 0 };
	CLEANUP(key_text_fini) struct key_text text = { 0 };

	if (auth_file_read(&file, c->path, "certificate", err) < 0)
		return -1;
	if (key_text_parse(&text, file.text) < 0)
		return err_nomem(err);
	if (parse_certificate(c, &text, err) < 0)
		return err_prefix(err, "certificate %s", c->path);
	return 0;
}

/* Takes path. Room has been made for it. */
static int add_certificate(struct identities *ids, char *path, struct err *err)
{
	struct identity_certificate *c = &ids->certificates[ids->certificate_count];

	if (has_certificate(ids, path)) {
		free(path);
		return 0;
	}
	c->path = path;
	if (read_certificate(c, err) < 0) {
		certificate_free(c);
		return -1;
	}
	ids->certificate_count++;
	return 0;
}

static void add_named_certificates(struct identities *ids, const struct strv *names)
{
	for (size_t i = 0; i < names->count; i++) {
		struct err err = { 0 };
		char *path = auth_file_path(names->items[i], &err);

		if ((!path || add_certificate(ids, path, &err) < 0) &&
		    ids->certificate_error.code == ERR_NONE)
			ids->certificate_error = err;
	}
}

/* KEY-cert.pub beside KEY and beside KEY.pub, as ssh does; where there is none, never mind. */
static void add_certificates_beside(struct identities *ids)
{
	for (size_t i = 0; i < ids->count; i++) {
		const char *path = ids->items[i].path;
		size_t length = path ? strlen(path) : 0;
		char *beside;

		if (length > strlen(PUBLIC_SUFFIX) &&
		    streq(path + length - strlen(PUBLIC_SUFFIX), PUBLIC_SUFFIX))
			length -= strlen(PUBLIC_SUFFIX);
		beside = path ? str_printf("%.*s" CERTIFICATE_SUFFIX, (int)length, path) : NULL;
		if (beside)
			add_certificate(ids, beside, NULL);
	}
}

/* ---- all of them ---- */

static int load_one(struct identity *id, struct err *err)
{
	if (!streq(id->name, IDENTITY_AGENT))
		return load_file(id, err);
	id->kind = IDENTITY_OF_AGENT;
	return 0;
}

static void identity_fini(struct identity *id)
{
	ssh_key_free(id->key);
	free(id->name);
	free(id->path);
	free(id->blob);
	*id = (struct identity){ 0 };
}

static int add_identity(struct identities *ids, const char *name, bool implied, struct err *err)
{
	struct identity *id = &ids->items[ids->count];

	id->name = strdup(name);
	if (!id->name)
		return err_nomem(err);
	if (load_one(id, &id->error) < 0) {
		id->kind = IDENTITY_FAILED;
		if (implied && id->error.code == ERR_IDENTITY_MISSING) {
			identity_fini(id);
			return 0;
		}
	} else {
		err_clear(&id->error);
	}
	ids->count++;
	return 0;
}

static int add_identities(struct identities *ids, const struct connection_settings *from,
			  struct err *err)
{
	int rc = 0;

	if (from->identities_implied && connection_agent(from))
		rc = add_identity(ids, IDENTITY_AGENT, true, err);
	for (size_t i = 0; i < from->identities.count && rc == 0; i++)
		rc = add_identity(ids, from->identities.items[i], from->identities_implied, err);
	return rc;
}

int identities_load(struct identities *ids, const struct connection_settings *from, struct err *err)
{
	size_t files = from->identities.count, named = from->certificate_files.count;

	*ids = (struct identities){
		.items = calloc(files + 1, sizeof(*ids->items)),
		.certificates = calloc(named + files + 1, sizeof(*ids->certificates)),
	};
	if (!ids->items || !ids->certificates || add_identities(ids, from, err) < 0) {
		identities_fini(ids);
		return err_nomem(err);
	}
	add_named_certificates(ids, &from->certificate_files);
	add_certificates_beside(ids);
	return 0;
}

void identities_fini(struct identities *ids)
{
	for (size_t i = 0; i < ids->count; i++)
		identity_fini(&ids->items[i]);
	for (size_t i = 0; i < ids->certificate_count; i++)
		certificate_free(&ids->certificates[i]);
	free(ids->items);
	free(ids->certificates);
	*ids = (struct identities){ 0 };
}

size_t identities_usable(const struct identities *ids)
{
	size_t usable = 0;

	for (size_t i = 0; i < ids->count; i++)
		usable += ids->items[i].kind != IDENTITY_FAILED;
	return usable;
}

const struct err *identities_problem(const struct identities *ids)
{
	for (size_t i = 0; i < ids->count; i++) {
		if (ids->items[i].kind == IDENTITY_FAILED)
			return &ids->items[i].error;
	}
	return NULL;
}
