/** The annotation widget: it draws the state, and hands on what is clicked. */

import { useComputed } from "@preact/signals";
import { Announcer, NothingToDo, Opening, Trouble } from "../shared/views/frame.tsx";
import { Action, Foot } from "../shared/views/walking_foot.tsx";
import { Head } from "../shared/views/walking_head.tsx";
import { Comment, Picture } from "../shared/views/walking_picture.tsx";
import { Cards, Given, Pager } from "./cards.tsx";
import { Dialogs } from "./dialogs.tsx";
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
      {isOpen && <Head screen={screen} done="done" />}
      <Trouble screen={screen} />
      {!isOpen && <Opening error={openingError} what="your images" />}
      {isEmpty && <NothingToDo screen={screen} title="No images for you yet" assigned="them" />}
      {isOpen && !isEmpty && (
        <>
          <div class="mlf-main">
            <MarkedPicture screen={screen} />
            <section class="mlf-side" aria-label="Labels">
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

function MarkedPicture({ screen }: Part) {
  const regions = useComputed(() => screen.entry.value?.state.regions).value;
  return <Picture screen={screen} marksFrom={[regions]} />;
}

function Actions({ screen }: Part) {
  const { controller } = screen;
  const firstNotDone = (
    <Action
      screen={screen}
      action="first_not_done"
      words="First not done"
      onClick={() => void controller.goToFirstNotDone()}
    />
  );
  return (
    <Foot screen={screen} moreWays={firstNotDone}>
      <Action screen={screen} action="next" words="Next ›" isMain onClick={() => void controller.step(1)} />
    </Foot>
  );
}
