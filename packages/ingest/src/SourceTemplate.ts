/**
 * How providers sign their webhooks, as data. What each row is taken from stands in its `documentation`; where a
 * provider's own library is stricter or more lenient than its document, a comment says so.
 */
import { type Algorithm, type Encoding, SECRET_FORMS, type SecretForm } from "./internal/keys.ts"
import * as SignedContent from "./SignedContent.ts"

/** A signature as it stands in the header: text before it, and what follows. */
export interface SignatureForm {
  readonly prefix: string
  readonly algorithm: Algorithm
  readonly encoding: Encoding
}

/** When a request was signed, in seconds since 1970, or with more than eleven digits in milliseconds. */
export interface SignedTime {
  readonly place:
    | { readonly _tag: "Header"; readonly name: string }
    /** Another item of the signature's header. */
    | { readonly _tag: "Signature"; readonly prefix: string }
    /** In the body, which is signed: it is read after the signature was verified. */
    | { readonly _tag: "Payload"; readonly path: string }
  /** Seconds; `null`: only limited where the source says so. */
  readonly tolerance: number | null
  /** Whether a time that is ahead by more than the tolerance is refused as well. */
  readonly ahead: boolean
}

export interface Scheme {
  /** In lower case. */
  readonly header: string
  /** Between several items of the header; `null`: it has one. */
  readonly separator: string | null
  readonly forms: ReadonlyArray<SignatureForm>
  readonly signed: SignedContent.Pattern
  readonly time: SignedTime | null
  readonly secret: SecretForm
}

/** A request by which a provider asks whether the endpoint is the user's. It is answered with 200, and is no event. */
export interface Handshake {
  readonly when:
    | { readonly _tag: "Method"; readonly method: string }
    | { readonly _tag: "Payload"; readonly path: string; readonly is: string }
  /** Where its signature is verified first. */
  readonly isSigned: boolean
  /** Path of the text that is the answer; `null`: the status is enough. */
  readonly echo: string | null
}

/** Paths are `headers.<name>` or `payload.<path>`. */
export interface SourceTemplate {
  readonly title: string
  readonly documentation: string
  readonly scheme: Scheme
  /** Of the provider's own id of an event, the same whenever it is sent again; `null` where it has none. */
  readonly eventId: string | null
  readonly eventType: string | null
  readonly handshakes: ReadonlyArray<Handshake>
}

/** For patterns of this file, which are well formed. */
const pattern = (text: string): SignedContent.Pattern => {
  const parsed = SignedContent.parse(text)
  return typeof parsed === "string" ? [] : parsed
}

const BODY = pattern("{body}")
const FIVE_MINUTES = 300

/** Standard Webhooks, and Svix under the names that it had before. */
const standard = (family: string): Scheme => ({
  header: `${family}-signature`,
  separator: " ",
  forms: [
    {
      prefix: "v1,",
      algorithm: "hmac_sha256",
      encoding: "base64"
    },
    {
      prefix: "v1a,",
      algorithm: "ed25519",
      encoding: "base64"
    }
  ],
  signed: pattern(`{header:${family}-id}.{timestamp}.{body}`),
  time: {
    place: { _tag: "Header", name: `${family}-timestamp` },
    tolerance: FIVE_MINUTES,
    ahead: true
  },
  secret: "standard"
})

/** A signature over nothing but the body. */
const ofBody = (header: string, form: SignatureForm): Scheme => ({
  header,
  separator: null,
  forms: [form],
  signed: BODY,
  time: null,
  secret: "utf8"
})

const TEMPLATES_BY_NAME = {
  standard_webhooks: {
    title: "Standard Webhooks",
    documentation: "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
    scheme: standard("webhook"),
    eventId: "headers.webhook-id",
    eventType: "payload.type",
    handshakes: []
  },
  svix: {
    title: "Svix",
    documentation: "https://docs.svix.com/receiving/verifying-payloads/how-manual",
    scheme: standard("svix"),
    eventId: "headers.svix-id",
    eventType: "payload.type",
    handshakes: []
  },
  clerk: {
    title: "Clerk",
    documentation: "https://clerk.com/docs/webhooks/overview",
    scheme: standard("svix"),
    eventId: "headers.svix-id",
    eventType: "payload.type",
    handshakes: []
  },
  resend: {
    title: "Resend",
    documentation: "https://resend.com/docs/dashboard/webhooks/verify-webhooks-requests",
    scheme: standard("svix"),
    eventId: "headers.svix-id",
    eventType: "payload.type",
    handshakes: []
  },
  stripe: {
    title: "Stripe",
    documentation: "https://docs.stripe.com/webhooks/signature",
    scheme: {
      header: "stripe-signature",
      separator: ",",
      // v0 is for test events, and proves nothing.
      forms: [
        {
          prefix: "v1=",
          algorithm: "hmac_sha256",
          encoding: "hex"
        }
      ],
      signed: pattern("{timestamp}.{body}"),
      // stripe-node 23.1.0 looks back only.
      time: {
        place: { _tag: "Signature", prefix: "t=" },
        tolerance: FIVE_MINUTES,
        ahead: false
      },
      secret: "stripe"
    },
    eventId: "payload.id",
    eventType: "payload.type",
    handshakes: []
  },
  github: {
    title: "GitHub",
    documentation: "https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries",
    scheme: ofBody("x-hub-signature-256", {
      prefix: "sha256=",
      algorithm: "hmac_sha256",
      encoding: "hex"
    }),
    eventId: "headers.x-github-delivery",
    eventType: "headers.x-github-event",
    handshakes: []
  },
  shopify: {
    title: "Shopify",
    documentation: "https://shopify.dev/docs/apps/build/webhooks/verify-deliveries",
    scheme: ofBody("x-shopify-hmac-sha256", {
      prefix: "",
      algorithm: "hmac_sha256",
      encoding: "base64"
    }),
    eventId: "headers.x-shopify-webhook-id",
    eventType: "headers.x-shopify-topic",
    handshakes: []
  },
  slack: {
    title: "Slack",
    documentation: "https://docs.slack.dev/authentication/verifying-requests-from-slack",
    scheme: {
      header: "x-slack-signature",
      separator: null,
      forms: [
        {
          prefix: "v0=",
          algorithm: "hmac_sha256",
          encoding: "hex"
        }
      ],
      signed: pattern("v0:{timestamp}:{body}"),
      // By the document; @slack/bolt 5.1.0 looks back only.
      time: {
        place: { _tag: "Header", name: "x-slack-request-timestamp" },
        tolerance: FIVE_MINUTES,
        ahead: true
      },
      secret: "utf8"
    },
    eventId: "payload.event_id",
    eventType: "payload.event.type",
    handshakes: [
      {
        when: { _tag: "Payload", path: "payload.type", is: "url_verification" },
        isSigned: true,
        echo: "payload.challenge"
      }
    ]
  },
  twilio: {
    title: "Twilio",
    documentation: "https://www.twilio.com/docs/usage/webhooks/webhooks-security",
    scheme: {
      header: "x-twilio-signature",
      separator: null,
      forms: [
        {
          prefix: "",
          algorithm: "hmac_sha1",
          encoding: "base64"
        }
      ],
      signed: pattern("{url}{form}"),
      time: null,
      secret: "utf8"
    },
    eventId: "headers.i-twilio-idempotency-token",
    eventType: null,
    handshakes: []
  },
  sendgrid: {
    title: "SendGrid",
    documentation:
      "https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/" +
      "getting-started-event-webhook-security-features",
    scheme: {
      header: "x-twilio-email-event-webhook-signature",
      separator: null,
      forms: [
        {
          prefix: "",
          algorithm: "ecdsa_p256_sha256",
          encoding: "base64"
        }
      ],
      signed: pattern("{timestamp}{body}"),
      // No tolerance is documented.
      time: {
        place: { _tag: "Header", name: "x-twilio-email-event-webhook-timestamp" },
        tolerance: null,
        ahead: false
      },
      secret: "p256"
    },
    // A request has a list of events, each with its own id.
    eventId: null,
    eventType: null,
    handshakes: []
  },
  linear: {
    title: "Linear",
    documentation: "https://linear.app/developers/webhooks",
    scheme: {
      ...ofBody("linear-signature", {
        prefix: "",
        algorithm: "hmac_sha256",
        encoding: "hex"
      }),
      // The header linear-timestamp is not signed.
      time: {
        place: { _tag: "Payload", path: "payload.webhookTimestamp" },
        tolerance: 60,
        ahead: true
      }
    },
    eventId: "headers.linear-delivery",
    eventType: "payload.type",
    handshakes: []
  },
  paddle: {
    title: "Paddle Billing",
    documentation: "https://developer.paddle.com/webhooks/signature-verification",
    scheme: {
      header: "paddle-signature",
      separator: ";",
      forms: [
        {
          prefix: "h1=",
          algorithm: "hmac_sha256",
          encoding: "hex"
        }
      ],
      signed: pattern("{timestamp}:{body}"),
      time: {
        place: { _tag: "Signature", prefix: "ts=" },
        tolerance: 5,
        ahead: false
      },
      secret: "utf8"
    },
    eventId: "payload.event_id",
    eventType: "payload.event_type",
    handshakes: []
  },
  typeform: {
    title: "Typeform",
    documentation: "https://www.typeform.com/developers/webhooks/secure-your-webhooks/",
    scheme: ofBody("typeform-signature", {
      prefix: "sha256=",
      algorithm: "hmac_sha256",
      encoding: "base64"
    }),
    eventId: "payload.event_id",
    eventType: "payload.event_type",
    handshakes: []
  },
  intercom: {
    title: "Intercom",
    documentation: "https://developers.intercom.com/docs/webhooks/setting-up-webhooks",
    scheme: ofBody("x-hub-signature", {
      prefix: "sha1=",
      algorithm: "hmac_sha1",
      encoding: "hex"
    }),
    eventId: "payload.id",
    eventType: "payload.topic",
    handshakes: [
      {
        when: { _tag: "Method", method: "HEAD" },
        isSigned: false,
        echo: null
      },
      {
        when: { _tag: "Payload", path: "payload.topic", is: "ping" },
        isSigned: true,
        echo: null
      }
    ]
  }
} as const satisfies Readonly<Record<string, SourceTemplate>>

export type TemplateName = keyof typeof TEMPLATES_BY_NAME

export const TEMPLATES: { readonly [N in TemplateName]: SourceTemplate } = TEMPLATES_BY_NAME
export const TEMPLATE_NAMES = Object.keys(TEMPLATES) as ReadonlyArray<TemplateName>

/** What a secret of this template must be, in words. */
export const secretRule = ({ scheme }: SourceTemplate): string => SECRET_FORMS[scheme.secret].must
