/** The annotation widget: it draws the state, and hands on what is clicked. */

import { useComputed } from "@preact/signals";
import { Announcer, NothingToDo, Opening, Trouble } from "../shared/views/frame.tsx";
import { Icon } from "../shared/views/icon.tsx";
import { Action, Foot, OwnAction } from "../shared/views/walking_foot.tsx";
import { Head } from "../shared/views/walking_head.tsx";
import { Comment, Picture } from "../shared/views/walking_picture.tsx";
import { t } from "../shared/words.ts";
import { Cards, Given, Pager } from "./cards.tsx";
import { Dialogs } from "./dialogs.tsx";
import { hasViews } from "./frames.ts";
import type { Screen } from "./screen.ts";

interface Part {
  screen: Screen;
}

export function AnnotatorView({ screen }: Part) {
  const { state } = screen.controller;
  const isOpen = useComputed(() => state.value.info !== null).value;
  const isEmpty = useComputed(() => state.value.info !== null && state.value.progress.n_tasks === 0).value;
  const openingError = useComputed(() => (state.value.info === null ? state.value.error : "")).value;
  return (
    <>
      {isOpen && <Head screen={screen} done={t("done")} />}
      <Trouble screen={screen} />
      {!isOpen && <Opening error={openingError} what="images" />}
      {isEmpty && <NothingToDo screen={screen} />}
      {isOpen && !isEmpty && (
        <>
          <div class="mlf-main">
            <MarkedPicture screen={screen} />
            <section class="mlf-side" aria-label={t("Labels")}>
              <SearchProbe screen={screen} />
              <Pager screen={screen} />
              <Cards screen={screen} />
              <Given screen={screen} />
              <Comment screen={screen} />
            </section>
          </div>
          <Actions screen={screen} />
          <Dialogs screen={screen} />
        </>
      )}
      <Announcer screen={screen} />
    </>
  );
}

/** On a probe: what the annotator is asked to do beyond the proposals, and that it is done. */
function SearchProbe({ screen }: Part) {
  const isProbe = useComputed(() => screen.entry.value?.task.is_probe ?? false).value;
  const isDone = useComputed(() => screen.entry.value?.state.searched ?? false).value;
  if (!isProbe) return null;
  return (
    <div class="mlf-probe" role="group" aria-label={t("Search all classes")}>
      <strong title={t("Whatever else is in this image, proposed or not")}>
        {t("Please search all classes")} <kbd aria-hidden="true">{screen.keyOf("search")}</kbd>
      </strong>
      <OwnAction
        action="searched"
        words={isDone ? t("All searched ✓") : t("All searched")}
        written={screen.keyOf("searched")}
        isOn={isDone}
        onClick={() => screen.controller.toggleSearched()}
      />
    </div>
  );
}

function MarkedPicture({ screen }: Part) {
  const regions = useComputed(() => screen.entry.value?.state.regions).value;
  const mayBeFramed = useComputed(() => hasViews(screen.task.value?.proposals ?? [])).value;
  const key = screen.keyOf("frames");
  return (
    <Picture screen={screen} marksFrom={[regions, screen.frames.value]}>
      {mayBeFramed && (
        <button
          type="button"
          aria-pressed={screen.showsFrames}
          data-mlf-action="frames"
          aria-label={t("Where models saw the labels best")}
          title={t("Where models saw the labels best ({key})", { key })}
          onClick={() => screen.toggleFrames()}
        >
          <Icon path="M2 3h12v10H2z" dashes="3 2" />
        </button>
      )}
    </Picture>
  );
}

function Actions({ screen }: Part) {
  const { controller } = screen;
  const firstNotDone = (
    <Action
      screen={screen}
      action="first_not_done"
      words={t("First not done")}
      onClick={() => void controller.goToFirstNotDone()}
    />
  );
  return (
    <Foot screen={screen} moreWays={firstNotDone}>
      <Action
        screen={screen}
        action="next"
        words={t("Next ›")}
        isMain
        onClick={() => void controller.step(1)}
      />
    </Foot>
  );
}
