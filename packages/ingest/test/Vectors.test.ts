/** Signatures that providers have published, with where they stand. */
import { expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { bytes, outcome, type Sent, SIGNED_AT, WHSEC } from "./support.ts"

interface Vector {
  readonly name: string
  readonly verification: { readonly template: string; readonly secrets: ReadonlyArray<string> }
  readonly sent: Sent
  /** Seconds since 1970. */
  readonly signedAt?: number
}

const standard = (family: string) => ({
  [`${family}-id`]: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  [`${family}-timestamp`]: "1614265330",
  [`${family}-signature`]: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
})

const SLACK_BODY =
  "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&" +
  "channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&" +
  "response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F" +
  "96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"

const SENDGRID_ONE = [
  {
    email: "hello@world.com",
    event: "dropped",
    reason: "Bounced Address",
    sg_event_id: "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",
    sg_message_id: "LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
    "smtp-id": "<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>",
    timestamp: 1600112492
  }
]

const vectors: ReadonlyArray<Vector> = [
  ...["webhook", "svix", "svix", "svix"].map((family, i) => ({
    name: `Standard Webhooks, its libraries' tests (${family})`,
    verification: { template: ["standard_webhooks", "svix", "clerk", "resend"][i]!, secrets: [WHSEC] },
    sent: { headers: standard(family), body: bytes('{"test": 2432232314}') },
    signedAt: 1614265330
  })),
  {
    name: "GitHub, docs.github.com/webhooks/securing",
    verification: { template: "github", secrets: ["It's a Secret to Everybody"] },
    sent: {
      headers: {
        "x-hub-signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
      },
      body: bytes("Hello, World!")
    }
  },
  {
    name: "Slack, verifying requests",
    verification: { template: "slack", secrets: ["8f742231b10e8888abcd99yyyzzz85a5"] },
    sent: {
      headers: {
        "x-slack-signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
        "x-slack-request-timestamp": "1531420618"
      },
      body: bytes(SLACK_BODY)
    },
    signedAt: 1531420618
  },
  {
    name: "Twilio, its libraries' tests",
    verification: { template: "twilio", secrets: ["12345"] },
    sent: {
      url: "https://mycompany.com/myapp.php?foo=1&bar=2",
      headers: {
        "x-twilio-signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
        "content-type": "application/x-www-form-urlencoded; charset=UTF-8"
      },
      body: bytes(
        "To=%2B18005551212&From=%2B14158675309&Digits=1234&Caller=%2B14158675309&" + "CallSid=CA1234567890ABCDE"
      )
    }
  },
  {
    name: "SendGrid, @sendgrid/eventwebhook's tests",
    verification: {
      template: "sendgrid",
      secrets: [
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+" +
          "2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
      ]
    },
    sent: {
      headers: {
        "x-twilio-email-event-webhook-signature":
          "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=",
        "x-twilio-email-event-webhook-timestamp": "1600112502"
      },
      body: bytes(`${JSON.stringify(SENDGRID_ONE)}\r\n`)
    }
  }
]

it.effect.each(vectors)("the published signature is valid: $name", ({ verification, sent, signedAt = SIGNED_AT }) =>
  Effect.gen(function* () {
    const late = signedAt - SIGNED_AT
    expect(yield* outcome(verification, sent, late)).toBe("ok")
    const longer = { ...sent, body: bytes(`${new TextDecoder().decode(sent.body)} `) }
    expect(yield* outcome(verification, longer, late)).toBe("no_secret_matches")
  })
)
