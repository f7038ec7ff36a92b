/* The smallest useful installer: one ConfigMap with a greeting. libc without stdio, no WASI.
 *
 * The manifest is JSON, so that the greeting, which may hold any text, can be written into it safely. */
#include "gen/hello.h"
#include <stdlib.h>
#include <string.h>

typedef hello_string_t string;
typedef exports_carnet_bundle_installer_error_t error;

/* Adds bytes to the end of a text. */
static void add(string *text, const uint8_t *bytes, size_t len) {
    text->ptr = realloc(text->ptr, text->len + len);
    memcpy(text->ptr + text->len, bytes, len);
    text->len += len;
}

static void add_json(string *text, const char *json) {
    add(text, (const uint8_t *)json, strlen(json));
}

/* Adds the inside of a JSON string, and frees it. */
static void add_escaped(string *text, string *value) {
    static const char HEX[] = "0123456789abcdef";
    for (size_t i = 0; i < value->len; i++) {
        uint8_t byte = value->ptr[i];
        uint8_t escaped[6] = {'\\', 'u', '0', '0', HEX[byte >> 4], HEX[byte & 15]};
        if (byte < ' ' || byte == '"' || byte == '\\' || byte == 0x7f)
            add(text, escaped, 6);
        else
            add(text, &byte, 1);
    }
    hello_string_free(value);
}

static bool install(error *err) {
    string name, namespace, greeting, parameter = {(uint8_t *)"greeting", 8}, manifest = {NULL, 0};
    carnet_installation_context_name(&name);
    carnet_installation_context_namespace(&namespace);
    if (!carnet_installation_context_parameter(&parameter, &greeting))
        hello_string_dup(&greeting, "Hello!");

    add_json(&manifest, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"");
    add_escaped(&manifest, &name);
    add_json(&manifest, "-hello\",\"namespace\":\"");
    add_escaped(&manifest, &namespace);
    add_json(&manifest, "\"},\"data\":{\"greeting\":\"");
    add_escaped(&manifest, &greeting);
    add_json(&manifest, "\"}}");

    hello_list_string_t manifests = {&manifest, 1};
    carnet_kubernetes_apply_list_applied_t applied;
    bool ok = carnet_kubernetes_apply_apply(&manifests, &applied, err);
    hello_string_free(&manifest);
    if (ok)
        carnet_kubernetes_apply_list_applied_free(&applied);
    return ok;
}

/* Hands an import's error on as it is. */
bool exports_carnet_bundle_installer_run(string *action, error *err) {
    bool is_install = action->len == 7 && memcmp(action->ptr, "install", 7) == 0;
    hello_string_free(action);
    if (is_install)
        return install(err);

    err->tag = CARNET_TYPES_TYPES_ERROR_FAILED;
    hello_string_dup(&err->val.failed, "this bundle only knows `install`");
    return false;
}
