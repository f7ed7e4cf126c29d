/** The image to judge, or why it is not there, and what the person says about it in words. */

import { useComputed } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect } from "preact/hooks";
import { t } from "../words.ts";
import { CommentBox } from "./comment_box.tsx";
import { ImageStage, ZoomButtons } from "./image_stage.tsx";
import type { WalkingScreen } from "./walking_screen.ts";

interface Part {
  screen: WalkingScreen;
}

export interface PictureProps extends Part {
  /** What the marks on the image depend on; always the same number of values. */
  marksFrom: readonly unknown[];
  /** Further buttons beside those that zoom. */
  children?: ComponentChildren;
}

export function Picture({ screen, marksFrom, children }: PictureProps) {
  const { controller, stage } = screen;
  const position = screen.position.value;
  const task = useComputed(() => screen.entry.value?.task).value;
  controller.picturesVersion.value;
  const failure = screen.imageFailure();
  const image = task?.has_image ? controller.pictures?.image(position) : undefined;
  // In the same task that changes the words, so that no frame shows one image beside another's labels.
  useLayoutEffect(() => {
    stage.show(position, image, screen.marks());
    screen.checkPainted();
  }, [position, image, ...marksFrom]);
  return (
    <section class="mlf-picture" aria-label={t("Image")}>
      <div class="mlf-stage">
        <ImageStage
          stage={stage}
          label={task === undefined ? t("Image") : t("Image {number}", { number: task.position + 1 })}
        />
        {task !== undefined && !task.has_image && (
          <div class="mlf-stage-note">
            <p>{t("This project has no file for this image.")}</p>
            <p class="mlf-muted">
              {t("Image {number}", { number: task.position + 1 })} ({task.image_id})
            </p>
          </div>
        )}
        {failure !== undefined && (
          <div class="mlf-stage-note" role="alert">
            <p>{t("This image cannot be shown: {reason}", { reason: failure })}</p>
            <p class="mlf-muted">
              {t("Image {number}", { number: position + 1 })} ({task?.image_id})
            </p>
            <button type="button" onClick={() => controller.retry()}>
              {t("Try again")}
            </button>
          </div>
        )}
        {image === undefined && failure === undefined && (task === undefined || task.has_image) && (
          <div class="mlf-stage-note mlf-stage-wait">{t("Loading…")}</div>
        )}
        <ZoomButtons
          stage={stage}
          onFull={() => void screen.showActualSize()}
          keys={{
            zoom_in: screen.keyOf("zoom_in"),
            zoom_out: screen.keyOf("zoom_out"),
            zoom_fit: screen.keyOf("zoom_fit"),
            full_resolution: screen.keyOf("full_resolution"),
          }}
        >
          {children}
        </ZoomButtons>
      </div>
    </section>
  );
}

export function Comment({ screen }: Part) {
  const comment = useComputed(() => screen.entry.value?.state.comment ?? "").value;
  const imageNumber = useComputed(() => screen.entry.value?.task.image_number).value;
  return (
    <CommentBox
      subject={imageNumber ?? -1}
      text={comment}
      isOff={imageNumber === undefined}
      pending={screen.pendingComment}
      placeholder={t("Comment ({key})", { key: screen.keyOf("comment") })}
      onChange={(text) => screen.controller.comment(text.trim())}
    />
  );
}
