/* Keeps a greeting in a ConfigMap. libc without stdio; only what is called is imported.
 *
 * The manifest is JSON, so that the greeting, which may hold any text, can be written into it safely. */
#include "bindings/bundle.h"
#include <stdlib.h>
#include <string.h>

typedef bundle_string_t string;
typedef exports_carnet_bundle_installer_error_t error;

/* A text that is not to be freed. */
static string text(const char *constant) {
    return (string){(uint8_t *)constant, strlen(constant)};
}

/* Adds bytes to the end of a text. */
static void add(string *to, const uint8_t *bytes, size_t len) {
    to->ptr = realloc(to->ptr, to->len + len);
    memcpy(to->ptr + to->len, bytes, len);
    to->len += len;
}

static void add_json(string *to, const char *json) {
    add(to, (const uint8_t *)json, strlen(json));
}

/* Adds the inside of a JSON string. */
static void add_escaped(string *to, const string *value) {
    static const char HEX[] = "0123456789abcdef";
    for (size_t i = 0; i < value->len; i++) {
        uint8_t byte = value->ptr[i];
        uint8_t escaped[6] = {'\\', 'u', '0', '0', HEX[byte >> 4], HEX[byte & 15]};
        if (byte < ' ' || byte == '"' || byte == '\\' || byte == 0x7f)
            add(to, escaped, 6);
        else
            add(to, &byte, 1);
    }
}

/* A ConfigMap of this name. */
static string manifest(const string *name) {
    string json = {NULL, 0}, namespace, version, greeting, parameter = text("greeting");
    carnet_installation_context_namespace(&namespace);
    carnet_installation_context_bundle_version(&version);
    if (!carnet_installation_context_parameter(&parameter, &greeting))
        bundle_string_dup(&greeting, "");

    add_json(&json, "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"");
    add_escaped(&json, name);
    add_json(&json, "\",\"namespace\":\"");
    add_escaped(&json, &namespace);
    add_json(&json, "\",\"labels\":{\"app.kubernetes.io/version\":\"");
    add_escaped(&json, &version);
    add_json(&json, "\"}},\"data\":{\"greeting\":\"");
    add_escaped(&json, &greeting);
    add_json(&json, "\"}}");
    bundle_string_free(&namespace);
    bundle_string_free(&version);
    bundle_string_free(&greeting);
    return json;
}

static bool install(error *err) {
    string name, output = text("name"), message = text("ConfigMap applied");
    carnet_installation_context_name(&name);
    add_json(&name, "-greeting");

    string json = manifest(&name);
    bundle_list_string_t manifests = {&json, 1};
    carnet_kubernetes_apply_list_applied_t applied;
    /* A refusal of the host goes on to the operator as it is. */
    bool ok = carnet_kubernetes_apply_apply(&manifests, &applied, err);
    if (ok) {
        carnet_kubernetes_apply_list_applied_free(&applied);
        carnet_installation_log_log(CARNET_INSTALLATION_LOG_LEVEL_INFO, &message);
        ok = carnet_installation_outputs_set(&output, &name, err);
    }
    bundle_string_free(&json);
    bundle_string_free(&name);
    return ok;
}

bool exports_carnet_bundle_installer_run(string *action, error *err) {
    bool is_install = action->len == 7 && memcmp(action->ptr, "install", 7) == 0;
    bundle_string_free(action);
    if (is_install)
        return install(err);

    err->tag = CARNET_TYPES_TYPES_ERROR_FAILED;
    bundle_string_dup(&err->val.failed, "this bundle only knows `install`");
    return false;
}
