/** The guidelines: drawn node by node from a few known kinds, so that nothing in them can run, and nothing is fetched. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import type { GuidelineNode } from "../messages.ts";
import { asBlob } from "../pictures.ts";
import { t } from "../words.ts";
import { Dialog } from "./dialog.tsx";
import type { Walker, WalkingScreen } from "./walking_screen.ts";

export function Guidelines({ screen, onClose }: { screen: WalkingScreen; onClose(): void }) {
  const { controller } = screen;
  const nodes = useSignal<readonly GuidelineNode[] | null>(null);
  const failure = useSignal("");
  useEffect(() => {
    controller.client
      .request("guidelines", {})
      .then(({ result }) => {
        nodes.value = result;
      })
      .catch((error: unknown) => {
        failure.value = error instanceof Error ? error.message : String(error);
      });
  }, []);
  return (
    <Dialog kind="guidelines" title={t("Guidelines")} onClose={onClose}>
      <div
        class="mlf-dialog-scroll mlf-guidelines"
        tabIndex={0}
        role="group"
        aria-label={t("Text of the guidelines")}
        aria-busy={nodes.value === null && failure.value === ""}
        dir="auto"
      >
        {failure.value}
        {nodes.value?.length === 0 && t("This project has no guidelines.")}
        {nodes.value !== null && <Nodes of={nodes.value} controller={controller} />}
      </div>
    </Dialog>
  );
}

function Nodes({ of, controller }: { of: readonly GuidelineNode[]; controller: Walker }) {
  // The text does not change while it is shown: a place is as good as a name.
  return of.map((node, at) => <Node key={at} node={node} controller={controller} />);
}

function Node({ node, controller }: { node: GuidelineNode; controller: Walker }): ComponentChildren {
  const inner = <Nodes of={node.children ?? []} controller={controller} />;
  switch (node.kind) {
    case "paragraph":
      return <p dir="auto">{inner}</p>;
    case "heading": {
      // The dialog's own title is the heading above all of these.
      const Heading = `h${Math.min(6, (node.level ?? 1) + 2)}` as "h3";
      return <Heading dir="auto">{inner}</Heading>;
    }
    case "strong":
      return <strong>{inner}</strong>;
    case "emphasis":
      return <em>{inner}</em>;
    case "code":
      return <code>{node.text}</code>;
    case "block_code":
      return <pre>{node.text}</pre>;
    case "quote":
      return <blockquote>{inner}</blockquote>;
    case "list":
      return node.is_ordered ? <ol>{inner}</ol> : <ul>{inner}</ul>;
    case "item":
      return <li dir="auto">{inner}</li>;
    case "link":
      if (node.url === undefined || !/^(https?|mailto):/i.test(node.url)) return <>{inner}</>;
      return (
        <a href={node.url} target="_blank" rel="noopener noreferrer">
          {inner}
        </a>
      );
    case "image":
      return <Picture node={node} controller={controller} />;
    case "break":
      return <br />;
    case "line":
      return <hr />;
    case "table":
      return (
        <table>
          <tbody>{inner}</tbody>
        </table>
      );
    case "row":
      return <tr>{inner}</tr>;
    case "cell":
      return node.is_head ? <th>{inner}</th> : <td>{inner}</td>;
    default:
      return <>{node.text ?? inner}</>;
  }
}

function Picture({ node, controller }: { node: GuidelineNode; controller: Walker }) {
  const address = useSignal("");
  const failure = useSignal("");
  const { picture = null, text = "" } = node;
  useEffect(() => {
    let made = "";
    let isGone = false;
    if (picture === null) return;
    controller.client
      .request("guideline_picture", { number: picture })
      .then(({ result, buffers }) => {
        if (isGone) return;
        made = URL.createObjectURL(asBlob(buffers[0], result.media_type));
        address.value = made;
      })
      .catch((error: unknown) => {
        failure.value = error instanceof Error ? error.message : String(error);
      });
    return () => {
      isGone = true;
      URL.revokeObjectURL(made);
    };
  }, [picture]);
  if (picture === null)
    return (
      <span class="mlf-muted">
        {t("[{text}: lies elsewhere and is not shown]", { text: text || t("picture") })}
      </span>
    );
  if (failure.value !== "")
    return (
      <span class="mlf-muted">
        [{text || t("picture")}: {failure.value}]
      </span>
    );
  return address.value === "" ? (
    <span class="mlf-muted">[{text}…]</span>
  ) : (
    <img src={address.value} alt={text} />
  );
}
