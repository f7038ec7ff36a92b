// Keeps a greeting in a ConfigMap.
import { bundleVersion, name, namespace, parameter } from "carnet:installation/context@0.1.0";
import { log } from "carnet:installation/log@0.1.0";
import { set } from "carnet:installation/outputs@0.1.0";
import { apply } from "carnet:kubernetes/apply@0.1.0";

export const installer = {
  run(action) {
    try {
      if (action !== "install") throw new Error(`unknown action ${action}`);
      install();
    } catch (error) {
      // A refusal of the host goes on to the operator as it is; any other error would be a trap without a message.
      throw error?.payload ?? { tag: "failed", val: String(error) };
    }
  },
};

function install() {
  const greeting = `${name()}-greeting`;
  const object = {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: greeting,
      namespace: namespace(),
      labels: { "app.kubernetes.io/version": bundleVersion() },
    },
    data: { greeting: parameter("greeting") ?? "" },
  };
  for (const applied of apply([JSON.stringify(object)])) {
    log("info", `${applied.object.kind} ${applied.object.name}`);
  }
  set("name", greeting);
}
