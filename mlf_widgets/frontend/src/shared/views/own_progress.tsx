/** How a person is getting on, for their own eyes: nobody is compared with anybody. */

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { OwnProgress } from "../messages.ts";
import { count, ofDay, t } from "../words.ts";
import { Dialog } from "./dialog.tsx";
import type { DialogPartProps } from "./walking_dialogs.tsx";

const N_DAYS = 7;

export function OwnProgressDialog({ screen, onClose }: DialogPartProps) {
  const { controller } = screen;
  const found = useSignal<OwnProgress | null>(null);
  const problem = useSignal("");
  useEffect(() => {
    controller.client.request("own_progress", {}).then(
      ({ result }) => {
        found.value = result;
      },
      (error: unknown) => {
        problem.value = error instanceof Error ? error.message : String(error);
      },
    );
  }, []);
  return (
    <Dialog kind="own-progress" title={t("My progress")} onClose={onClose}>
      <div class="mlf-dialog-scroll" tabIndex={0} role="group" aria-label={t("My progress")}>
        {found.value === null ? <p>{problem.value || t("Loading…")}</p> : <Figures own={found.value} />}
      </div>
    </Dialog>
  );
}

function Figures({ own }: { own: OwnProgress }) {
  const { n_done, n_tasks } = own.progress;
  return (
    <>
      <p>{t("{n} of {n_all} images done", { n: count(n_done), n_all: count(n_tasks) })}</p>
      <dl class="mlf-own-figures">
        <dt>{t("Pace")}</dt>
        {own.n_timed === 0 ? (
          <dd>{t("Not known yet")}</dd>
        ) : (
          <dd>
            {t("{time} an image", { time: duration(own.median_ms) })}
            {own.n_timed > 1 && (
              <small>
                {t("half of your last {n} images took longer, half less", { n: count(own.n_timed) })}
              </small>
            )}
          </dd>
        )}
        {own.n_timed > 0 && n_done < n_tasks && (
          <>
            <dt>{t("Left at this pace")}</dt>
            <dd>{duration(own.median_ms * (n_tasks - n_done))}</dd>
          </>
        )}
        {own.n_gold > 0 && (
          <>
            <dt>{t("Known answers")}</dt>
            <dd>
              {t("{n} of {n_all} of your answers are as known", {
                n: count(own.n_gold_same),
                n_all: count(own.n_gold_votes),
              })}
              <small>{t("on {n} images among yours whose labels are known", { n: count(own.n_gold) })}</small>
            </dd>
          </>
        )}
      </dl>
      {own.hours.length > 0 && <Days hours={own.hours} />}
      <p class="mlf-muted">{t("Only you and whoever runs the project see this.")}</p>
    </>
  );
}

/** Days as this machine's clock counts them. */
function Days({ hours }: Pick<OwnProgress, "hours">) {
  const days = new Map<string, { nImages: number; activeMs: number }>();
  for (const { hour, n_images, active_ms } of hours) {
    const day = ofDay(new Date(hour));
    const known = days.get(day) ?? { nImages: 0, activeMs: 0 };
    days.set(day, { nImages: known.nImages + n_images, activeMs: known.activeMs + active_ms });
  }
  return (
    <table class="mlf-own-days">
      <caption>{t("The latest days")}</caption>
      <thead>
        <tr>
          <th scope="col">{t("Day")}</th>
          <th scope="col">{t("Images")}</th>
          <th scope="col">{t("Active time")}</th>
        </tr>
      </thead>
      <tbody>
        {[...days].slice(-N_DAYS).map(([day, { nImages, activeMs }]) => (
          <tr key={day}>
            <th scope="row">{day}</th>
            <td>{count(nImages)}</td>
            <td>{duration(activeMs)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 90)
    return t("{n} s", { n: count(Math.round(seconds * (seconds < 10 ? 10 : 1)) / (seconds < 10 ? 10 : 1)) });
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return t("{n} min", { n: minutes });
  return t("{h} h {n} min", { h: count(Math.floor(minutes / 60)), n: minutes % 60 });
}
