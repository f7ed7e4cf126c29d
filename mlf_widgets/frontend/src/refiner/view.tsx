/** The refinement widget: it draws the state, and hands on what is clicked. */

import { useLayoutEffect } from "preact/hooks";
import { Announcer, NothingToDo, Opening, Trouble } from "../shared/views/frame.tsx";
import { Action, Foot, OwnAction } from "../shared/views/walking_foot.tsx";
import { Head } from "../shared/views/walking_head.tsx";
import { Comment, Picture } from "../shared/views/walking_picture.tsx";
import { t } from "../shared/words.ts";
import { BeforeAfter, Cards } from "./cards.tsx";
import { Dialogs } from "./dialogs.tsx";
import type { RefinerScreen } from "./screen.ts";
import { allRows } from "./state.ts";

interface Part {
  screen: RefinerScreen;
}

export function RefinerView({ screen }: Part) {
  const { controller } = screen;
  const state = controller.state.value;
  const version = controller.picturesVersion.value;
  const classes = controller.classes.value;
  const evidence = screen.entry.value?.task.evidence;
  useLayoutEffect(() => screen.checkPainted(), [state, version, classes]);
  if (state.info === null) {
    return (
      <>
        <Trouble screen={screen} />
        <Opening error={state.error} what="images" />
      </>
    );
  }
  if (state.progress.n_tasks === 0) {
    return <NothingToDo screen={screen} isRefinement />;
  }
  return (
    <>
      <Head
        screen={screen}
        done={t("settled")}
        note={t(", refinement")}
        onDismiss={() => controller.dismissRefusal()}
      />
      <Trouble screen={screen} />
      <main class="mlf-main">
        <Picture screen={screen} marksFrom={[screen.isRevealed.value, state.cursor, evidence]} />
        <section class="mlf-side" aria-label={t("Labels")}>
          <Summary screen={screen} />
          <Cards screen={screen} />
          <BeforeAfter screen={screen} />
          <AnnotatorsComments screen={screen} />
          <Comment screen={screen} />
        </section>
      </main>
      <Actions screen={screen} />
      <Dialogs screen={screen} />
      <Announcer screen={screen} />
    </>
  );
}

function Summary({ screen }: Part) {
  const { controller } = screen;
  const state = controller.state.value;
  const entry = screen.entry.value;
  if (entry === undefined) return <div class="mlf-pager" />;
  const rows = allRows(state);
  const asked = rows.filter(({ isQuestion }) => isQuestion);
  const nSettled = entry.state.none ? asked.length : asked.filter(({ own }) => own !== undefined).length;
  const nFolded = rows.filter(({ isQuestion, own }) => !isQuestion && own === undefined).length;
  const what =
    entry.task.open_labels.length === 0 ? t("Nothing disputed: check every label") : t("Disputed labels");
  return (
    <div class="mlf-pager">
      <span class="mlf-pager-words" data-mlf-part="settled">
        {t("{what}: {n} of {n_all} settled", { what, n: nSettled, n_all: asked.length })}
      </span>
      {!screen.isRevealed.value && (
        <button type="button" data-mlf-action="evidence" onClick={() => controller.showEvidence()}>
          {t("Show votes")} <kbd aria-hidden="true">k</kbd>
        </button>
      )}
      {nFolded > 0 && (
        <button
          type="button"
          data-mlf-action="fold"
          aria-expanded={state.isUnfolded}
          onClick={() => controller.fold()}
        >
          {state.isUnfolded ? t("Fold") : t("{n} undisputed", { n: nFolded })} <kbd aria-hidden="true">h</kbd>
        </button>
      )}
    </div>
  );
}

function AnnotatorsComments({ screen }: Part) {
  const evidence = screen.isRevealed.value ? screen.entry.value?.task.evidence : null;
  const said = Object.entries(evidence?.comments ?? {});
  if (said.length === 0) return null;
  return (
    <ul class="mlf-comments" aria-label={t("Comments of the annotators")}>
      {said.map(([voice, text]) => (
        <li key={voice}>
          <strong>{voice}</strong> <bdi>{text}</bdi>
        </li>
      ))}
    </ul>
  );
}

function Actions({ screen }: Part) {
  const { controller } = screen;
  return (
    <Foot screen={screen}>
      <OwnAction
        action="majority"
        words={t("As most said")}
        written="a"
        onClick={() => controller.acceptMajority()}
      />
      <Action screen={screen} action="next" words={t("Next ›")} onClick={() => void controller.step(1)} />
      <OwnAction
        action="confirm"
        words={t("Confirm")}
        written="Enter"
        isMain
        onClick={() => void controller.confirm()}
      />
    </Foot>
  );
}
